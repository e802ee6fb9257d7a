"""status.json: what became of a run, kept true from its start to its end."""

import platform
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

from entrypoint import __version__
from entrypoint.results.runfolder import STATUS, RunFolder
from entrypoint.results.timings import Timings
from entrypoint.values import Record

_SHOWN_FAILURES = 100
_PACKAGES = ("torch", "torchvision", "onnxruntime", "opencv-python-headless", "numpy")

State = Literal["running", "finished", "stopped", "failed"]


@dataclass(slots=True)
class Counts:
    """`total` inputs, of which `done` have detections (`reused` of them from before a restart), `failed` none."""

    total: int
    done: int = 0
    reused: int = 0
    detections: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    failed_files: list[str] = field(default_factory=list)

    @property
    def failed(self) -> int:
        return self.failures.total()

    def add(self, record: Record, *, reused: bool = False) -> None:
        """Count an input by its record."""
        if record.failure is not None:
            self.failures[record.failure.kind] += 1
            if len(self.failed_files) < _SHOWN_FAILURES:
                self.failed_files.append(f"{record.file}: {record.failure}")
            return
        self.done += 1
        self.reused += reused
        self.detections += len(record.detections or ())


class Status:
    """Writes status.json. Everything but the outcome is known when the work starts."""

    def __init__(self, folder: RunFolder, counts: Counts, facts: dict[str, Any]) -> None:
        """`facts`: identity, settings, weights, device, source and ignored files, as they go into the file."""
        self._folder, self.counts, self._facts = folder, counts, facts
        self.timings = Timings()
        self._started, self._clock = _now(), time.monotonic()

    @property
    def info(self) -> dict[str, Any]:
        """What the files with all records say of where they come from."""
        identity = self._facts["identity"] | {"source": self._facts["source"]}
        return {"program": "yolo-bac", "versions": versions(), **identity}

    @property
    def seconds(self) -> float:
        """Since the work started."""
        return time.monotonic() - self._clock

    def write(self, state: State, exit_code: int | None, message: str) -> None:
        """Make status.json say so. Raises OutputError."""
        counts = self.counts
        left = counts.total - counts.done - counts.failed
        self._folder.write_json(
            STATUS,
            {
                "state": state,
                "exit_code": exit_code,
                "message": message,
                "counts": {
                    "total": counts.total,
                    "done": counts.done,
                    "reused": counts.reused,
                    "failed": counts.failed,
                    "not_done": left,
                    "detections": counts.detections,
                },
                "failures": {"by_kind": dict(sorted(counts.failures.items())), "first": counts.failed_files},
                **self._facts,
                "versions": versions(),
                "started": self._started,
                "ended": None if state == "running" else _now(),
                "seconds": round(self.seconds, 3),
                "timings": self.timings.rounded(),
            },
        )


def versions() -> dict[str, str]:
    """Versions of this program and of what its results depend on."""
    found = {"yolo-bac": __version__, "python": platform.python_version()}
    for name in _PACKAGES:
        with suppress(PackageNotFoundError):  # PyTorch need not be here
            found[name] = version(name)
    return found


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
