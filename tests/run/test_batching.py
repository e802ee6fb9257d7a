"""Batches hold one shape each, everything comes out once, and what waits is bounded."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoint.run.batching import BackgroundCalls, ShapeBuckets, run_on_lanes

Again = Callable[[int], None]
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


def test_an_item_of_a_rare_shape_does_not_wait_for_ever() -> None:
    buckets: ShapeBuckets[int] = ShapeBuckets(4, 1 << 40)
    assert buckets.add((1, 1), -1, 1) is None
    batches = [batch for number in range(1000) if (batch := buckets.add((2, 2), number, 1))]
    place = batches.index([-1])
    assert place == 64 and [len(batch) for batch in batches[:place]] == [4] * place
    assert all(len(batch) == 4 for batch in batches[place + 1 :])


def test_shapes_that_come_alike_fill_their_batches() -> None:
    buckets: ShapeBuckets[int] = ShapeBuckets(32, 1 << 40)
    batches = [batch for number in range(39 * 64) if (batch := buckets.add((number % 39, 1), number, 1))]
    assert len(batches) == 78 and all(len(batch) == 32 for batch in batches)


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


def test_every_item_is_shared_out_once_and_a_lane_does_one_at_a_time() -> None:
    done: list[int] = []
    busy = {"a": threading.Lock(), "b": threading.Lock(), "c": threading.Lock()}

    def work(lane: str, number: int, again: Again) -> None:
        assert busy[lane].acquire(blocking=False)
        time.sleep(0.001)
        busy[lane].release()
        done.append(number)

    run_on_lanes(work, list(busy), range(50))
    assert sorted(done) == list(range(50))
    run_on_lanes(work, ["a"], [])


def test_sharing_out_ends_with_the_first_exception() -> None:
    begun: list[int] = []

    def work(lane: int, number: int, again: Again) -> None:
        begun.append(number)
        time.sleep(0.001)
        if number == 5:
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        run_on_lanes(work, [0, 1, 2], range(1000))
    assert len(begun) <= 5 + 1 + 2 * 3
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("work")]


def test_sharing_out_ends_when_there_is_no_taking_an_item() -> None:
    def numbers() -> Iterator[int]:
        yield from range(3)
        raise OSError("unplugged")

    done: list[int] = []
    with pytest.raises(OSError, match="unplugged"):
        run_on_lanes(lambda lane, number, again: done.append(number), [0, 1], numbers())
    assert sorted(done) == [0, 1, 2]


def test_an_item_that_comes_again_is_taken_by_any_lane_and_never_by_two_at_once() -> None:
    left = dict.fromkeys(range(6), 20)
    held = {item: threading.Lock() for item in left}
    lanes: dict[int, set[str]] = {item: set() for item in left}

    def work(lane: str, item: int, again: Again) -> None:
        assert held[item].acquire(blocking=False)
        left[item] -= 1
        more = left[item] > 0
        lanes[item].add(lane)
        held[item].release()
        if more:
            again(item)
        time.sleep(0.001)

    run_on_lanes(work, ["a", "b", "c"], left)
    assert set(left.values()) == {0}
    assert all(len(some) > 1 for some in lanes.values())


def test_lanes_wait_for_an_item_that_may_come_again() -> None:
    begun = []

    def work(lane: int, item: int, again: Again) -> None:
        begun.append(item)
        time.sleep(0.02)
        if item < 5:
            again(item + 1)

    run_on_lanes(work, [0, 1, 2], [0])
    assert begun == [0, 1, 2, 3, 4, 5]
