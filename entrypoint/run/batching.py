"""Threads beside the network, and images that share a shape in one batch; both bounded."""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar, cast

L = TypeVar("L")
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


def share_out(function: Callable[[L, T], None], lanes: Sequence[L], items: Iterable[T]) -> None:
    """`function(lane, item)` for every item, on a thread a lane, which takes the next item when it is done with one.

    Raises what a call, or taking an item, has raised; no item is begun after that, and none is left under way.
    """
    source, turn, over = iter(items), threading.Lock(), threading.Event()
    end = object()

    def work(lane: L) -> None:
        try:
            while not over.is_set():
                with turn:
                    item = next(source, end)
                if item is end:
                    return
                function(lane, cast("T", item))
        except BaseException:
            over.set()
            raise

    with ThreadPoolExecutor(len(lanes), thread_name_prefix=function.__name__) as pool:
        try:
            for future in [pool.submit(work, lane) for lane in lanes]:
                future.result()
        finally:
            over.set()


class BackgroundCalls(Generic[T]):
    """Calls on threads that nobody waits for; the first exception stops whoever submits the next."""

    def __init__(self, function: Callable[[T], None], workers: int, budget: int, most: int | None = None) -> None:
        """At most `most` calls wait for a thread, and hold `budget` bytes; each thread holds the one it works on."""
        self._function, self._budget, self._most = function, budget, most
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix=function.__name__)
        self._gate = threading.Condition()
        self._waiting, self._weight = 0, 0
        self._error: BaseException | None = None

    def submit(self, item: T, weight: int) -> None:
        """Queue `function(item)`, which holds `weight` bytes; waits until there is room for it.

        Raises what a call has raised meanwhile. Several threads may submit.
        """
        with self._gate:
            self._gate.wait_for(lambda: self._error or not self._waiting or self._has_room(weight))
            self._raise_error()
            self._waiting, self._weight = self._waiting + 1, self._weight + weight
        self._pool.submit(self._call, item, weight)

    def close(self) -> None:
        """Wait for every call; raises what the first failing one raised."""
        self._pool.shutdown()
        self._raise_error()

    def abandon(self) -> None:
        """Drop the calls that have not started, wait for those that have."""
        self._pool.shutdown(cancel_futures=True)

    def _call(self, item: T, weight: int) -> None:
        with self._gate:
            self._waiting, self._weight = self._waiting - 1, self._weight - weight
            self._gate.notify_all()
            if self._error:
                return
        try:
            self._function(item)
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            with self._gate:
                self._error = self._error or error
                self._gate.notify_all()

    def _has_room(self, weight: int) -> bool:
        return (self._most is None or self._waiting < self._most) and self._weight + weight <= self._budget

    def _raise_error(self) -> None:
        if self._error:
            raise self._error


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
