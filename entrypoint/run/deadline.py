"""`--time-budget`: when to stop taking new work, so that the run ends cleanly in time."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

# What ending takes: the files with all records, read and written once each; and the unforeseen.
_SECONDS_PER_RECORD = 0.0004
_SPARE_SECONDS = 1.0


class Deadline:
    """Counts from `started`, a moment of `time.monotonic`; a budget of None never ends."""

    def __init__(self, budget: float | None, started: float, records: int) -> None:
        self._end = None if budget is None else started + budget - _SPARE_SECONDS - records * _SECONDS_PER_RECORD
        self._lock, self._longest = threading.Lock(), 0.0

    @contextmanager
    def step(self) -> Iterator[bool]:
        """Around each piece of work, which is to be left undone when this gives False."""
        began = time.monotonic()
        yield not self.passed()
        with self._lock:
            self._longest = max(self._longest, time.monotonic() - began)

    def passed(self) -> bool:
        """Whether another step that takes as long as the longest so far would end too late."""
        return self._end is not None and time.monotonic() + self._longest > self._end
