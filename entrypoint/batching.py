"""Threads beside the network, and images that share a shape in one batch; both bounded."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


def map_ahead(function: Callable[[T], R], items: Iterable[T], workers: int, ahead: int) -> Iterator[R]:
    """`map` on threads, results in the order of `items`, at most `ahead` of them waiting or under way."""
    pending: deque[Future[R]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix=function.__name__) as pool:
        try:
            for item in items:
                if len(pending) >= ahead:
                    yield pending.popleft().result()
                pending.append(pool.submit(function, item))
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


class BackgroundCalls(Generic[T]):
    """Calls on threads that nobody waits for, at most `ahead` at a time; the first exception stops the caller."""

    def __init__(self, function: Callable[[T], None], workers: int, ahead: int) -> None:
        self._function, self._ahead = function, ahead
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix=function.__name__)
        self._pending: deque[Future[None]] = deque()

    def submit(self, item: T) -> None:
        """Queue `function(item)`; waits for the oldest call when `ahead` are pending, and raises what it raised."""
        if len(self._pending) >= self._ahead:
            self._pending.popleft().result()
        self._pending.append(self._pool.submit(self._function, item))

    def close(self) -> None:
        """Wait for every call; raises what the first failing one raised."""
        with self._pool:
            while self._pending:
                self._pending.popleft().result()

    def abandon(self) -> None:
        """Drop the calls that have not started, wait for those that have."""
        self._pool.shutdown(wait=True, cancel_futures=True)


class ShapeBuckets(Generic[T]):
    """Collects items until `size` of one shape are there, or until all together outweigh `budget` bytes."""

    def __init__(self, size: int, budget: int) -> None:
        self._size, self._budget = size, budget
        self._buckets: dict[tuple[int, int], list[T]] = {}
        self._weights: dict[tuple[int, int], int] = {}

    def add(self, shape: tuple[int, int], item: T, weight: int) -> list[T] | None:
        """Take an item of `weight` bytes; gives a batch when one is full, or the heaviest when there is no room."""
        self._buckets.setdefault(shape, []).append(item)
        self._weights[shape] = self._weights.get(shape, 0) + weight
        if len(self._buckets[shape]) >= self._size:
            return self._take(shape)
        if sum(self._weights.values()) > self._budget:
            return self._take(max(self._weights, key=self._weights.__getitem__))
        return None

    def drain(self) -> Iterator[list[T]]:
        """What is left, a batch a shape."""
        while self._buckets:
            yield self._take(next(iter(self._buckets)))

    def _take(self, shape: tuple[int, int]) -> list[T]:
        del self._weights[shape]
        return self._buckets.pop(shape)
