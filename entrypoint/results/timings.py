"""How long the threads of a run were busy with what: where its time goes, on any machine."""

import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager


class Timings:
    """Busy seconds a stage, summed over threads; for a GPU that includes the wait for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def of(self, stage: str) -> Iterator[None]:
        """Count the time of the block to a stage."""
        began = time.perf_counter()
        try:
            yield
        finally:
            with self._lock:
                self._seconds[stage] += time.perf_counter() - began

    def rounded(self) -> dict[str, float]:
        """Seconds a stage, in the order in which they first ended."""
        with self._lock:
            return {stage: round(seconds, 3) for stage, seconds in self._seconds.items()}
