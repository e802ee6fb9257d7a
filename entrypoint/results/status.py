"""What is said of a run while it goes on: counts, and status.json kept true from its start to its end."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from entrypoint.errors import YoloBacError, exit_code_of
from entrypoint.host.memory import starting_threads
from entrypoint.results.journalentry import Done
from entrypoint.results.runfolder import RunFolder
from entrypoint.results.runstatus import RunStatus, State, now, versions
from entrypoint.results.throughput import Throughput
from entrypoint.results.timings import Timings
from entrypoint.text import printable
from entrypoint.values import Record

_SHOWN_FAILURES = 100
_SECONDS = 8.0  # between two moments at which a running job says how far it is
_LOOK_SECONDS = 1.0  # after which it is seen that it is time again


@dataclass(slots=True)
class Counts:
    """`total` inputs, of which `done` have detections, `failed` none.

    Of those done, `reused` are from before a restart, and `taken_over` from another run. Where there is such a run,
    `new` counts the inputs that were not to be had from it, and `gone` those of its inputs that are no longer there.
    `videos` are those that could be read, with so many `frames`.
    """

    total: int
    done: int = 0
    reused: int = 0
    taken_over: int = 0
    new: int = 0
    gone: int = 0
    detections: int = 0
    videos: int = 0
    frames: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    failed_files: list[str] = field(default_factory=list)

    @property
    def failed(self) -> int:
        return self.failures.total()

    def reuse(self, done: Done) -> None:
        """Count an input by what an earlier attempt has left."""
        if done.frames is not None:
            self.videos, self.frames = self.videos + 1, self.frames + done.frames
        self.done, self.reused, self.detections = self.done + 1, self.reused + 1, self.detections + done.detections

    def add(self, record: Record, *, taken_over: bool = False) -> None:
        """Count an input by its record."""
        if record.video and record.detections is not None:
            self.videos, self.frames = self.videos + 1, self.frames + record.video.frames_read
        if record.failure is not None:
            self.failures[record.failure.kind] += 1
            if len(self.failed_files) < _SHOWN_FAILURES:
                self.failed_files.append(f"{record.file}: {record.failure}")
            return
        self.done += 1
        self.taken_over += taken_over
        self.detections += len(record.detections or ())

    def to_json(self) -> dict[str, int]:
        """Return the counts as status.json has them; `not_done` have no record."""
        total = max(self.total, self.done + self.failed)  # a merge knows it only when it is done
        return {
            "total": total,
            "done": self.done,
            "reused": self.reused,
            "taken_over": self.taken_over,
            "new": self.new,
            "gone": self.gone,
            "failed": self.failed,
            "not_done": total - self.done - self.failed,
            "detections": self.detections,
        }


class Status:
    """Writes status.json. Everything but the outcome is known when the work starts."""

    def __init__(self, folder: RunFolder, counts: Counts, facts: dict[str, Any]) -> None:
        """`facts`: what RunStatus has of identity, settings, weights, device, source, shares, formats and so on.

        `versions` are those of this process if `facts` has none.
        """
        facts.setdefault("versions", versions())
        self._folder, self.counts, self._facts = folder, counts, facts
        self.timings, self.throughput = Timings(), Throughput()
        self._completed: str | None = None
        self._started, self._clock = now(), time.monotonic()
        self._lock, self._written, self._ended = threading.Lock(), time.monotonic(), False

    @property
    def seconds(self) -> float:
        """Since the work started."""
        return time.monotonic() - self._clock

    def complete(self, state: State, exit_code: int, message: str) -> RunStatus:
        """All inputs have their records: what the files that are made of these say of the run, which is to end so."""
        self._completed = now()
        return self._described(state, exit_code, message)

    @contextmanager
    def kept_fresh(self) -> Iterator[None]:
        """For the time of the block status.json is at most ten seconds old, however long a single input takes.

        A folder that cannot be written any more is for whoever writes the next result to tell.
        """
        over = threading.Event()

        def keep() -> None:
            while not over.wait(_LOOK_SECONDS):
                with suppress(YoloBacError):
                    self.refresh()

        keeper = threading.Thread(target=keep, name="status", daemon=True)
        with starting_threads():
            keeper.start()
        try:
            yield
        finally:
            over.set()
            keeper.join()

    def refresh(self) -> None:
        """Let status.json have the counts of now, unless it has those of a moment ago. Raises OutputError."""
        if time.monotonic() - self._written >= _SECONDS:
            with self._lock:
                if not self._ended:
                    self._write("running", None, "under way")

    def write(self, state: State, exit_code: int | None, message: str) -> None:
        """Make status.json say so. Raises OutputError."""
        with self._lock:
            self._ended = state != "running"
            self._write(state, exit_code, message)

    def fail(self, error: Exception) -> None:
        """Say in status.json why the run ended, where the output folder still takes it."""
        with suppress(YoloBacError):
            self.write("failed", exit_code_of(error), printable(error) or type(error).__name__)

    def _write(self, state: State, exit_code: int | None, message: str) -> None:
        self._written = time.monotonic()
        self._folder.write_status(self._described(state, exit_code, message))

    def _described(self, state: State, exit_code: int | None, message: str) -> RunStatus:
        counts = self.counts
        return RunStatus(
            state=state,
            exit_code=exit_code,
            message=message,
            counts=counts.to_json(),
            failures={"by_kind": dict(sorted(counts.failures.items())), "first": list(counts.failed_files)},
            **self._facts,
            left=self._folder.left,
            started=self._started,
            ended=None if state == "running" else now(),
            seconds=round(self.seconds, 3),
            timings=self.timings.rounded(),
            completed=self._completed,
            throughput=self.throughput.to_json(),
        )
