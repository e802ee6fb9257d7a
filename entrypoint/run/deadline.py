"""`--time-budget`: when to stop taking new work, so that the run ends cleanly in time."""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import numpy as np

from entrypoint.detect.detector import Detector
from entrypoint.jsontext import compact
from entrypoint.values import Failure, Record

T = TypeVar("T")
TIMED_OUT = "timed_out"
"""The kind of failure of an input whose reading had not ended when the time budget did."""

# What ending takes at least: the files with all records, read and written once each; and the unforeseen.
_SECONDS_PER_RECORD = 0.0004
_SPARE_SECONDS = 1.0
_TRIAL_SIDE = 640  # pixels of a side of the image by which the time for larger ones is judged
_LEAST_SECONDS = 1.0  # that a read may take, and threads to go on behind it
_MOST_READERS = 256  # threads that read; they are started as they are needed
_SLOWER = 1.5  # how much more than its share of pixels a large image may take


class Deadline:
    """Counts from `started`, a moment of `time.monotonic`; a budget of None never ends."""

    def __init__(self, budget: float | None, started: float, records: int) -> None:
        self._end = None if budget is None else started + budget - _SPARE_SECONDS
        self._records, self._seconds_per_record = records, _SECONDS_PER_RECORD
        self._lock, self._longest, self._expected = threading.Lock(), 0.0, 0.0
        self._readers = ThreadPoolExecutor(_MOST_READERS, thread_name_prefix="reader") if self.is_set else None

    @property
    def is_set(self) -> bool:
        """Whether there is a budget at all."""
        return self._end is not None

    def has_time_for(self, detector: Detector) -> bool:
        """Whether there is time for one image of the largest size; judged by a small one until a step was measured."""
        if self._end is not None:
            self._expected = expected_seconds(detector)
        return not self.passed()

    def writing_takes(self, seconds_per_record: float) -> None:
        """How much longer than on a fast disk each record takes when the files with all of them are written."""
        self._seconds_per_record = _SECONDS_PER_RECORD + seconds_per_record

    def within(self, call: Callable[[], T]) -> T | Failure:
        """Return what `call` returns, or a failure if it has not returned while there is time for two more steps.

        A read may never return, as from a file server that is gone: it is left behind on a thread of its own. The steps
        are for images that wait for others of their shape. Raise what the call raises.
        """
        if self._end is None or self._readers is None:
            return call()
        future = self._readers.submit(call)
        wait([future], max(self._step, _LEAST_SECONDS, self._time_left() - 2 * self._step - _LEAST_SECONDS))
        if future.done():
            return future.result()
        return Failure(TIMED_OUT, "its reading had not ended when the time budget did")

    def aside(self, call: Callable[[], object]) -> None:
        """Make a call that may never return, and that nobody has to wait for."""
        if self._readers is None:
            call()
        else:
            self._readers.submit(call)

    @contextmanager
    def step(self) -> Iterator[bool]:
        """Around each piece of work, which is to be left undone when this gives False."""
        began = time.monotonic()
        in_time = not self.passed()
        yield in_time
        if in_time:
            with self._lock:
                self._longest = max(self._longest, time.monotonic() - began)

    def passed(self) -> bool:
        """Whether another step that takes as long as the longest so far would end too late."""
        return self._time_left() < self._step

    @property
    def _step(self) -> float:
        """Seconds that a step takes."""
        return self._longest or self._expected

    def _time_left(self) -> float:
        """Return the seconds until the files with all records have to be written."""
        if self._end is None:
            return math.inf
        return self._end - self._records * self._seconds_per_record - time.monotonic()


def expected_seconds(detector: Detector) -> float:
    """How long an image of the largest size may take, judged by a small one.

    0 where it is not much larger, or where the network takes no small one.
    """
    height, width = detector.imgsz
    larger = height * width / _TRIAL_SIDE**2
    if larger <= 4 or not detector.takes_any_size:
        return 0.0
    image = np.full((_TRIAL_SIDE, _TRIAL_SIDE, 3), 114, np.uint8)
    detector.look([image])  # the first time, more is done than later
    began = time.monotonic()
    detector.look([image])
    return (time.monotonic() - began) * larger * _SLOWER


class WritingRate:
    """Tells a deadline how fast the output folder takes records, by writing some of them now and then."""

    _SAMPLE = 200  # records
    _SAMPLE_BYTES = 1 << 20  # up to which fewer records are written again and again, so that one hiccup counts little
    _FILES = 3  # of which each record is written to one, and read from one

    def __init__(self, scratch: Path, deadline: Deadline) -> None:
        """`scratch`: a folder on the same file system as the results."""
        self._path, self._deadline = scratch / "rate", deadline
        self._count, self._next = 0, 1
        self._sample: deque[Record] = deque(maxlen=self._SAMPLE)

    def add(self, record: Record) -> None:
        """One more record; after the first and whenever their number has doubled, the rate is measured."""
        if not self._deadline.is_set:
            return
        self._count += 1
        self._sample.append(record)
        if self._count >= self._next:
            self._next = 2 * self._count
            with suppress(OSError):  # whoever writes the next result will say so
                self._deadline.writing_takes(self._measure())

    def _measure(self) -> float:
        """Seconds a record, for all files; what opening and closing a file takes is counted once, not for each."""
        lines = [compact(record.to_json()) for record in self._sample]
        times = min(self._SAMPLE // len(lines), self._SAMPLE_BYTES // sum(map(len, lines))) or 1
        began = time.monotonic()
        self._write(b"")
        opened = time.monotonic()
        self._write(b"\n".join(lines * times))
        written = time.monotonic() - opened - (opened - began)
        return max(0.0, written) / (len(lines) * times) * self._FILES

    def _write(self, data: bytes) -> None:
        self._path.write_bytes(data)
        self._path.unlink(missing_ok=True)
