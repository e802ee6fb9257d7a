"""Labels that can be read: where nothing overlaps as detect.py puts them, in crowds where they cover least."""

import time

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from entrypoint.results.draw import DrawOptions, annotate
from entrypoint.results.labels import Label, Text, place_labels
from entrypoint.results.palettes import colour
from entrypoint.resultsettings import PALETTES, Palette
from entrypoint.values import Detections

NAMES = ("person", "a rather long name", "狗", "สุนัข")
SIZE = (480, 640)


def detections(*boxes: tuple[float, float, float, float]) -> Detections:
    """Of class 0, by falling confidence."""
    count = len(boxes)
    confidence = np.linspace(0.9, 0.3, count, dtype=np.float32)
    return Detections(np.array(boxes, np.float32).reshape(-1, 4), confidence, np.zeros(count, np.int64))


def as_detect_py(image: NDArray[np.uint8], found: Detections) -> NDArray[np.uint8]:
    """The look of detect.py, step by step: box, ground above the corner, text; the most confident last."""
    for (x1, y1, x2, y2), confidence in reversed(
        list(zip(found.xyxy.astype(int).tolist(), found.confidence, strict=True))
    ):
        label = f"person {confidence:.2f}"
        cv2.rectangle(image, (x1, y1), (x2, y2), colour(0), 3)
        (width, height), _ = cv2.getTextSize(label, cv2.FONT_HERSHEY_SIMPLEX, 1, 2)
        x = max(0, min(x1, image.shape[1] - width))
        top = y1 - height - 6 if y1 >= height + 6 else y1
        cv2.rectangle(image, (x, top), (x + width, top + height + 6), colour(0), cv2.FILLED)
        place = (x, top + height + 3)
        cv2.putText(image, label, place, cv2.FONT_HERSHEY_SIMPLEX, 1, (255, 255, 255), 2, cv2.LINE_AA)
    return image


@pytest.mark.parametrize(
    "boxes",
    [
        [],
        [(100, 100, 300, 400)],
        [(10, 100, 100, 200), (320, 100, 600, 400), (10, 300, 200, 470)],
        [(500, 50, 639, 300), (0, 200, 200, 479)],
        [(100, 2, 500, 400)],
    ],
    ids=["none", "one", "three apart", "at the right edge", "at the upper edge"],
)
def test_where_nothing_overlaps_all_looks_as_in_detect_py(boxes: list[tuple[float, float, float, float]]) -> None:
    found = detections(*boxes)
    blank = np.full((*SIZE, 3), 114, np.uint8)
    assert np.array_equal(annotate(blank.copy(), found, NAMES, DrawOptions()), as_detect_py(blank.copy(), found))


def texts(count: int) -> list[Text]:
    """That many labels, each 150 wide and 22 high at their full size."""
    return [Text((f"person {number}", "person"), (150, 90), 22, 1.0) for number in range(count)]


def overlap(first: Label, second: Label) -> int:
    """Pixels that two labels have in common."""
    across = min(first.x + first.width, second.x + second.width) - max(first.x, second.x)
    down = min(first.y + first.height, second.y + second.height) - max(first.y, second.y)
    return max(across, 0) * max(down, 0)


boxes_in_an_image = st.lists(
    st.tuples(st.integers(0, 600), st.integers(0, 440), st.integers(1, 300), st.integers(1, 300)), max_size=30
).map(lambda rows: [(x, y, min(640, x + w), min(480, y + h)) for x, y, w, h in rows])


@given(boxes_in_an_image)
def test_in_a_crowd_no_label_covers_another_or_most_of_an_object(boxes: list[tuple[int, int, int, int]]) -> None:
    array = np.array(boxes, np.int32).reshape(-1, 4)
    placed = place_labels(array, texts(len(boxes)), SIZE)
    labels = [label for label in placed or [] if label is not None]
    for number, label in enumerate(labels):
        assert label.x >= 0 and label.x + label.width <= 640 and label.y >= 0 and label.y + label.height <= 480
        assert all(overlap(label, other) == 0 for other in labels[:number])
        for x1, y1, x2, y2 in boxes:
            of_object = overlap(label, Label("", x1, y1, x2 - x1, y2 - y1, 1))
            assert of_object <= (x2 - x1) * (y2 - y1) / 2


def test_the_most_confident_is_placed_first_and_what_finds_no_place_is_left_out() -> None:
    boxes = np.array([(300, 200, 310, 210)] * 60, np.int32)
    placed = place_labels(boxes, texts(60), SIZE)
    assert placed is not None
    there = [label is not None for label in placed]
    assert there[0] and not all(there)
    assert placed[0] is not None and placed[0].text == "person 0"


def test_an_object_smaller_than_its_label_is_still_seen() -> None:
    image = annotate(np.zeros((*SIZE, 3), np.uint8), detections((300, 2, 320, 16)), NAMES, DrawOptions())
    assert (image[5:13, 306:316] == 0).mean() > 0.5


def test_text_is_smaller_in_smaller_images_and_never_too_small_to_read() -> None:
    boxes = np.array([(10, 60, 100, 200), (30, 70, 120, 200)], np.int32)
    scales = []
    for size in ((240, 320), (480, 640), (1000, 1500), (3000, 4000)):
        placed = place_labels(boxes, texts(2), size)
        assert placed and placed[0]
        scales.append(placed[0].scale)
        assert placed[0].height >= 9
    assert scales == sorted(scales) and scales[-1] == 1.0


def test_labels_of_thousands_of_boxes_do_not_take_a_square_of_the_time() -> None:
    count, random = 3000, np.random.default_rng(0)
    corner = random.uniform(0, 400, (count, 2))
    boxes = np.hstack([corner, corner + random.uniform(5, 80, (count, 2))]).astype(np.int32)
    written = texts(count)
    began = time.process_time()
    placed = place_labels(boxes, written, SIZE)
    assert placed is not None and any(placed)
    assert time.process_time() - began < 0.5  # takes some 15 milliseconds; comparing all with all takes 4 seconds


@pytest.mark.parametrize("palette", PALETTES)
def test_neighbouring_classes_have_colours_that_differ(palette: Palette) -> None:
    colours = [colour(class_id, palette) for class_id in range(8)]
    for number, first in enumerate(colours):
        assert all(np.abs(np.subtract(first, other)).sum() > 60 for other in colours[:number])


def test_the_palette_is_an_option_of_drawing() -> None:
    found = detections((100, 100, 300, 400))
    bright, safe = (
        annotate(np.zeros((*SIZE, 3), np.uint8), found, NAMES, DrawOptions(palette=palette)) for palette in PALETTES
    )
    assert tuple(bright[300, 100]) == colour(0) and tuple(safe[300, 100]) == colour(0, "safe") == (0, 159, 230)
