"""Batches hold one shape each, everything comes out once, and what waits is bounded."""

import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoint.run.batching import BackgroundCalls, ShapeBuckets, map_ahead, share_out

shapes = st.sampled_from([(640, 480), (480, 640), (640, 640), (384, 640)])


@given(st.lists(st.tuples(shapes, st.integers(1, 50))), st.integers(1, 8), st.integers(1, 200))
def test_every_item_comes_out_once_with_its_own_shape(
    items: list[tuple[tuple[int, int], int]], size: int, budget: int
) -> None:
    buckets: ShapeBuckets[tuple[int, tuple[int, int]]] = ShapeBuckets(size, budget)
    batches = []
    waiting = 0
    for number, (shape, weight) in enumerate(items):
        waiting += weight
        if batch := buckets.add(shape, (number, shape), weight):
            batches.append(batch)
            waiting -= sum(items[index][1] for index, _ in batch)
        assert waiting <= budget
    batches += list(buckets.drain())
    assert sorted(number for batch in batches for number, _ in batch) == list(range(len(items)))
    assert all(len({shape for _, shape in batch}) == 1 and len(batch) <= size for batch in batches)


def test_map_ahead_keeps_the_order_and_its_bound() -> None:
    taken, done = 0, 0

    def numbers() -> Iterator[int]:
        nonlocal taken
        for number in range(50):
            taken += 1
            assert taken - done <= 6  # five ahead, and the one about to be asked for
            yield number

    def work(number: int) -> int:
        time.sleep(0.002 * (number % 3))
        return number * number

    for expected, found in enumerate(map_ahead(work, numbers(), workers=3, ahead=5)):
        done += 1
        assert found == expected * expected


def test_map_ahead_raises_what_a_thread_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        list(map_ahead(lambda number: 1 // number, [1, 0, 1], workers=2, ahead=2))


@pytest.mark.parametrize(("budget", "limit"), [(40, None), (10_000, 4)], ids=["by weight", "by number"])
def test_background_calls_are_bounded_and_all_made(budget: int, limit: int | None) -> None:
    lock, running, most, made = threading.Lock(), 0, 0, []

    def work(number: int) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.002)
        with lock:
            running -= 1
            made.append(number)

    calls = BackgroundCalls(work, 3, budget, limit)
    for number in range(40):
        calls.submit(number, 10)
        assert number + 1 - len(made) <= 4 + 3  # waiting, and under way
    calls.close()
    assert sorted(made) == list(range(40))
    assert most <= 3


def test_background_calls_hand_on_the_first_exception() -> None:
    def work(number: int) -> None:
        if number == 2:
            raise OSError("disk full")

    calls = BackgroundCalls(work, workers=1, budget=1)
    with pytest.raises(OSError, match="disk full"):
        for number in range(10):
            calls.submit(number, 1)
    calls.abandon()


def test_map_ahead_begins_nothing_while_results_outweigh_the_budget() -> None:
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        return number

    for done, _ in enumerate(map_ahead(work, range(40), workers=2, ahead=20, weigh=lambda result: 10, budget=30)):
        time.sleep(0.005)  # as the consumer does, so that results pile up
        # Taken, what the budget holds, one more a thread that began just before, and the one whose turn it is.
        assert len(begun) <= (done + 1) + 30 / 10 + 2 + 1


def test_map_ahead_left_early_leaves_no_thread_waiting() -> None:
    results = map_ahead(lambda number: number, range(40), workers=2, ahead=20, weigh=lambda result: 10, budget=0)
    assert next(iter(results)) == 0
    results.close()
    assert not any("lambda" in thread.name for thread in threading.enumerate())


def test_map_ahead_does_not_stall_on_results_heavier_than_the_budget() -> None:
    results = map_ahead(lambda number: number, range(40), workers=3, ahead=20, weigh=lambda result: 100, budget=1)
    assert list(results) == list(range(40))


def test_every_item_is_shared_out_once_and_a_lane_does_one_at_a_time() -> None:
    done: list[int] = []
    busy = {"a": threading.Lock(), "b": threading.Lock(), "c": threading.Lock()}

    def work(lane: str, number: int) -> None:
        assert busy[lane].acquire(blocking=False)
        time.sleep(0.001)
        busy[lane].release()
        done.append(number)

    share_out(work, list(busy), range(50))
    assert sorted(done) == list(range(50))
    share_out(work, ["a"], [])


def test_sharing_out_ends_with_the_first_exception() -> None:
    begun: list[int] = []

    def work(lane: int, number: int) -> None:
        begun.append(number)
        time.sleep(0.001)
        if number == 5:
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        share_out(work, [0, 1, 2], range(1000))
    assert len(begun) <= 5 + 1 + 2 * 3
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("work")]


def test_sharing_out_ends_when_there_is_no_taking_an_item() -> None:
    def numbers() -> Iterator[int]:
        yield from range(3)
        raise OSError("unplugged")

    done: list[int] = []
    with pytest.raises(OSError, match="unplugged"):
        share_out(lambda lane, number: done.append(number), [0, 1], numbers())
    assert sorted(done) == [0, 1, 2]
