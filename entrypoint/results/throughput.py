"""How many inputs were done when, for the report's chart, in memory that does not grow with the run."""

import threading
import time
from typing import Any

_MOST = 120


class Throughput:
    """Counts inputs in stretches of time of one length, which doubles when there are too many of them."""

    def __init__(self, seconds: float = 0.25) -> None:
        """`seconds`: how long a stretch is at first."""
        self._lock, self._began = threading.Lock(), time.monotonic()
        self._seconds, self._done = seconds, [0]

    def step(self, now: float | None = None) -> None:
        """One more input is done, at this moment of `time.monotonic` or at the present one."""
        with self._lock:
            passed = (time.monotonic() if now is None else now) - self._began
            while passed >= self._seconds * _MOST:
                self._done = [sum(self._done[place : place + 2]) for place in range(0, len(self._done), 2)]
                self._seconds *= 2
            place = int(passed / self._seconds)
            self._done += [0] * (place + 1 - len(self._done))
            self._done[place] += 1

    def to_json(self) -> dict[str, Any] | None:
        """`seconds` of a stretch, and how many were `done` in each; None when nothing was."""
        with self._lock:
            return {"seconds": self._seconds, "done": list(self._done)} if any(self._done) else None
