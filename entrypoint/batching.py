"""Threads beside the network, and images that share a shape in one batch; both bounded."""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


def map_ahead(
    function: Callable[[T], R],
    items: Iterable[T],
    workers: int,
    ahead: int,
    weigh: Callable[[R], int] = lambda result: 0,
    budget: int = 0,
) -> Generator[R, None, None]:
    """`map` on threads, results in the order of `items`, at most `ahead` of them waiting or under way.

    While results that wait outweigh `budget` (by `weigh`, in bytes), no item is begun but the one whose turn it is.
    Close it when leaving it early, or its threads wait on.
    """
    pending: deque[Future[R]] = deque()
    gate = threading.Condition()
    held, turn, closing = 0, 0, False

    def work(number: int, item: T) -> R:
        nonlocal held
        with gate:
            gate.wait_for(lambda: held <= budget or number == turn or closing)
        result = function(item)
        with gate:
            held += weigh(result)
        return result

    def take() -> R:
        nonlocal held, turn
        result = pending.popleft().result()
        with gate:
            held, turn = held - weigh(result), turn + 1
            gate.notify_all()
        return result

    with ThreadPoolExecutor(workers, thread_name_prefix=function.__name__) as pool:
        try:
            for number, item in enumerate(items):
                if len(pending) >= ahead:
                    yield take()
                pending.append(pool.submit(work, number, item))
            while pending:
                yield take()
        finally:
            for future in pending:
                future.cancel()
            with gate:
                closing = True
                gate.notify_all()


class BackgroundCalls(Generic[T]):
    """Calls on threads that nobody waits for, bounded by `budget` bytes; the first exception stops the caller."""

    def __init__(self, function: Callable[[T], None], workers: int, budget: int) -> None:
        self._function, self._budget, self._weight = function, budget, 0
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix=function.__name__)
        self._pending: deque[tuple[Future[None], int]] = deque()

    def submit(self, item: T, weight: int) -> None:
        """Queue `function(item)`, which holds `weight` bytes; waits for older calls until there is room for it.

        Raises what a call raised that has ended meanwhile.
        """
        while self._pending and (self._weight + weight > self._budget or self._pending[0][0].done()):
            self._await_oldest()
        self._pending.append((self._pool.submit(self._function, item), weight))
        self._weight += weight

    def close(self) -> None:
        """Wait for every call; raises what the first failing one raised."""
        with self._pool:
            while self._pending:
                self._await_oldest()

    def _await_oldest(self) -> None:
        call, weight = self._pending.popleft()
        self._weight -= weight
        call.result()

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
