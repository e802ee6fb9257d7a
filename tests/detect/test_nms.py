"""What NMS leaves: detect.py's choice, and torchvision's kernel, an independent one, as its oracle."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from entrypoint.detect.nms import NmsOptions, Suppression, by_numpy, select, suppression
from entrypoint.models.yolov5.head import candidates

KINDS: dict[str, Callable[[], Suppression]] = {"operator": suppression, "NumPy": lambda: by_numpy}


def rows(*values: list[float]) -> NDArray[np.float32]:
    """Predictions as x, y, width, height, objectness, class scores; to candidates."""
    predictions = np.array(values, np.float32)
    return candidates(np.zeros(len(predictions), np.int64), predictions, 0.25)[1]


CAT, DOG = [50.0, 50, 20, 20, 0.9, 0.9, 0.1], [51.0, 50, 20, 20, 0.9, 0.1, 0.8]


@pytest.mark.parametrize(
    ("options", "classes"),
    [
        (NmsOptions(), [0, 1]),
        (NmsOptions(agnostic=True), [0]),
        (NmsOptions(classes=(1,)), [1]),
        (NmsOptions(classes=(1,), agnostic=True), [1]),  # the filter comes before NMS
        (NmsOptions(max_det=1), [0]),
    ],
)
def test_selection(options: NmsOptions, classes: list[int]) -> None:
    found = select(rows(CAT, DOG, [51.0, 51, 20, 20, 0.8, 0.9, 0.0]), options)
    assert found[:, 5].tolist() == classes
    assert (np.diff(found[:, 4]) <= 0).all()


@pytest.mark.parametrize(("threshold", "count"), [(0.25, 2), (0.75, 1), (0.8, 1), (0.82, 0), (0.95, 0)])
def test_objectness_and_confidence_are_both_above_the_threshold(threshold: float, count: int) -> None:
    predictions = np.array([CAT, DOG], np.float32)
    assert len(candidates(np.zeros(2, np.int64), predictions, threshold)[1]) == count


@pytest.mark.parametrize(("threshold", "labels"), [(0.05, [0, 1, 0, 1]), (0.25, [0, 1]), (0.75, [0])])
def test_with_several_labels_a_box_is_there_for_each_class_above_the_threshold(
    threshold: float, labels: list[int]
) -> None:
    predictions = np.array([CAT, DOG], np.float32)
    image, found = candidates(np.array([3, 4]), predictions, threshold, multi_label=True)
    assert found[:, 5].tolist() == labels
    expected = predictions[image - 3, 4] * predictions[image - 3, 5 + found[:, 5].astype(int)]
    assert found[:, 4].tolist() == expected.tolist()


def test_boxes_are_corners_and_confidence_the_product() -> None:
    assert select(rows(CAT), NmsOptions())[0].tolist() == pytest.approx([40, 40, 60, 60, 0.81, 0])


@pytest.mark.parametrize("box", [[np.nan, 0, 1, 1], [0, 0, np.inf, 1], [5, 0, 4, 1], [0, 5, 1, 4]], ids=str)
def test_what_is_no_box_never_comes_out(box: list[float]) -> None:
    found = select(np.array([[*box, 0.9, 0], [1, 1, 2, 2, 0.8, 0]], np.float32), NmsOptions())
    assert found.tolist() == [[1, 1, 2, 2, pytest.approx(0.8), 0]]


def test_nothing_leaves_nothing() -> None:
    assert select(np.empty((0, 6), np.float32), NmsOptions()).shape == (0, 6)


def oracle(boxes: NDArray[np.float32], threshold: float) -> list[int]:
    """Torchvision's choice, of scores that fall: it sorts them stably."""
    scores = torch.ones(len(boxes))
    found: list[int] = torchvision.ops.nms(torch.from_numpy(boxes), scores, threshold).tolist()
    return found


def grid(random: np.random.Generator, count: int) -> NDArray[np.float32]:
    """Boxes whose overlaps are the same again and again; coincident and empty ones among them."""
    corners = random.integers(0, 6, (count, 2))
    return np.concatenate((corners, corners + random.integers(0, 5, (count, 2))), 1).astype(np.float32)


def photo(random: np.random.Generator, count: int) -> NDArray[np.float32]:
    """As a network gives them, moved apart by class."""
    corners = random.uniform(0, 600, (count, 2)) + 7680 * random.integers(0, 3, (count, 1))
    return np.concatenate((corners, corners + random.uniform(0, 200, (count, 2))), 1).astype(np.float32)


def extreme(random: np.random.Generator, count: int) -> NDArray[np.float32]:
    """Sides of all magnitudes: areas overflow, vanish, or are denormal."""
    corners = 10.0 ** random.uniform(-45, 38, (count, 2)) * random.choice([-1, 0, 1], (count, 2))
    return np.concatenate((corners, corners + 10.0 ** random.uniform(-45, 38, (count, 2))), 1).astype(np.float32)


@settings(max_examples=300)
@given(
    make=st.sampled_from([grid, photo, extreme]),
    count=st.integers(0, 60),
    seed=st.integers(0, 10_000),
    threshold=st.one_of(st.floats(0, 1), st.sampled_from([0.0, 1 / 3, 0.25, 0.45, 0.5, 0.6, 1.0])),
)
@pytest.mark.parametrize("kind", KINDS)
def test_nms_leaves_what_torchvision_leaves(
    kind: str, make: Callable[[np.random.Generator, int], NDArray[np.float32]], count: int, seed: int, threshold: float
) -> None:
    boxes = make(np.random.default_rng(seed), count)
    expected = oracle(boxes, threshold)
    assert KINDS[kind]()(boxes, threshold, 1000).tolist() == expected
    assert KINDS[kind]()(boxes, threshold, 3).tolist() == expected[:3]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("make", [grid, photo])
def test_many_boxes_too(kind: str, make: Callable[[np.random.Generator, int], NDArray[np.float32]]) -> None:
    boxes = make(np.random.default_rng(1), 5000)
    assert KINDS[kind]()(boxes, 0.45, 5000).tolist() == oracle(boxes, 0.45)
