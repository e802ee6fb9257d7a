"""Threads beside the network, and images that share a shape in one batch; both bounded."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from entrypoint.host.memory import starting_threads

L = TypeVar("L")
T = TypeVar("T")
_PATIENCE = 64  # batches' worth of items; a photograph's shapes at 640 are 39, and where all come alike, all are filled


def run_on_lanes(function: Callable[[L, T, Callable[[T], None]], None], lanes: Sequence[L], items: Iterable[T]) -> None:
    """`function(lane, item, again)` for every item, on a thread a lane, which takes the next item when that returns.

    A function calls `again(item)` when there is more to do for the item, which is then the next that a lane takes.
    Raises what a call, or taking an item, has raised; no item is begun after that, and none is left under way.
    """
    turns = _Turns(items)

    def work(lane: L) -> None:
        try:
            while (item := turns.take()) is not None:
                try:
                    function(lane, item, turns.again)
                finally:
                    turns.done()
        except BaseException:
            turns.end()
            raise

    with ThreadPoolExecutor(len(lanes), thread_name_prefix=function.__name__) as pool:
        try:
            with starting_threads():
                futures = [pool.submit(work, lane) for lane in lanes]
            for future in futures:
                future.result()
        finally:
            turns.end()


class _Turns(Generic[T]):
    """Items for several threads, each of which takes one at a time."""

    def __init__(self, items: Iterable[T]) -> None:
        self._items, self._again = iter(items), deque[T]()
        self._gate = threading.Condition()
        self._taken, self._ended = 0, False

    def take(self) -> T | None:
        """The next item; None when there will be none. Waits while one that is taken may come again."""
        with self._gate:
            while not self._ended:
                item = self._again.popleft() if self._again else next(self._items, None)
                if item is not None:
                    self._taken += 1
                    return item
                if not self._taken:
                    break
                self._gate.wait()
            return None

    def again(self, item: T) -> None:
        with self._gate:
            self._again.append(item)
            self._gate.notify()

    def done(self) -> None:
        with self._gate:
            self._taken -= 1
            if not self._taken:
                self._gate.notify_all()

    def end(self) -> None:
        with self._gate:
            self._ended = True
            self._gate.notify_all()


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
        with starting_threads():
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
    """Collects items until `size` of one shape are there, or until all together outweigh `budget` bytes.

    Items of a rare shape go out before they are that many, once they have waited for long.
    """

    def __init__(self, size: int, budget: int) -> None:
        self._size, self._budget = size, budget
        self._buckets: dict[tuple[int, int], list[T]] = {}
        self._weights: dict[tuple[int, int], int] = {}
        self._begun: dict[tuple[int, int], int] = {}  # which addition to all of them was the first; the oldest first
        self._added = 0

    def add(self, shape: tuple[int, int], item: T, weight: int) -> list[T] | None:
        """Take an item of `weight` bytes; gives a batch when one is full, or the heaviest when there is no room."""
        self._added += 1
        self._begun.setdefault(shape, self._added)
        self._buckets.setdefault(shape, []).append(item)
        self._weights[shape] = self._weights.get(shape, 0) + weight
        if len(self._buckets[shape]) >= self._size:
            return self._take(shape)
        if sum(self._weights.values()) > self._budget:
            return self._take(max(self._weights, key=self._weights.__getitem__))
        oldest, begun = next(iter(self._begun.items()))
        return self._take(oldest) if self._added - begun >= _PATIENCE * self._size else None

    def drain(self) -> Iterator[list[T]]:
        """What is left, a batch a shape."""
        while self._buckets:
            yield self._take(next(iter(self._buckets)))

    def _take(self, shape: tuple[int, int]) -> list[T]:
        del self._weights[shape], self._begun[shape]
        return self._buckets.pop(shape)
