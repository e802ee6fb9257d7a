"""Wall and CPU time of a block, and medians of many."""

import statistics
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class Span:
    """Milliseconds: on the clock, and of all cores together."""

    wall: float = 0.0
    cpu: float = 0.0

    def each(self, count: int) -> "Span":
        """The share of one among so many."""
        return Span(self.wall / count, self.cpu / count)


@contextmanager
def timed() -> Iterator[Span]:
    """The span of the block, once it has ended; of this process, with all its threads."""
    span = Span()
    wall, cpu = time.perf_counter(), time.process_time()
    yield span
    span.wall, span.cpu = (time.perf_counter() - wall) * 1e3, (time.process_time() - cpu) * 1e3


def median(spans: Iterable[Span]) -> Span:
    """The median of each figure by itself."""
    every = list(spans)
    return Span(statistics.median(span.wall for span in every), statistics.median(span.cpu for span in every))
