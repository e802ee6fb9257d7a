"""Where the labels of an image go, so that they can be read and the objects be seen. Geometry alone; nothing is drawn.

Where no label covers another, and none covers most of an object, all stay where detect.py puts them. Else they are
smaller, and each goes to the place around its box where it covers least; one that finds no place is left out.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rectangles = NDArray[np.int32]
"""(n, 4): left, top, right, bottom in pixels."""

_MOST_COVERED = 0.5  # of an object
_TEXT_SHARE, _LEAST_TEXT = 36, 9  # the text's height: of the shorter side of the image, and in pixels at least
_SMALLER = 0.75
_PREFERRED = 0.02  # what a place is worth that stands one earlier in the list
_MOST_LABELS, _MOST_SPARED = 100, 300  # the most confident get a label, and are not covered by one
_PLACES = 6
_PAD, _NARROW_PAD = 6, 3


@dataclass(frozen=True, slots=True)
class Label:
    """A text whose ground has this left top corner, width and height; `scale` is the font's."""

    text: str
    x: int
    y: int
    width: int
    height: int
    scale: float


@dataclass(frozen=True, slots=True)
class Text:
    """What may stand at a box: the whole text or a shorter one, and their sizes at `scale`."""

    texts: Sequence[str]
    widths: Sequence[int]
    height: int
    scale: float


def place_labels(boxes: Rectangles, texts: Sequence[Text], size: tuple[int, int]) -> list[Label | None] | None:
    """A label for each of `boxes`, which are sorted by falling confidence, in an image of that height and width.

    None where all may stay where detect.py puts them: that is `usual_place`.
    """
    if len(boxes) <= _MOST_LABELS:
        places = [usual_place(box, text, size[1]) for box, text in zip(boxes.tolist(), texts, strict=True)]
        if not _is_crowded(np.array(places, np.int32).reshape(-1, 4), boxes):
            return None
    return _rearranged(boxes, texts, size)


def usual_place(box: Sequence[int], text: Text, width: int) -> tuple[int, int, int, int]:
    """Above the box, or below its upper edge where the image ends; inside the right edge. Left, top, right, bottom."""
    height = text.height + _PAD
    x = max(0, min(box[0], width - text.widths[0]))
    top = box[1] - height if box[1] >= height else box[1]
    return x, top, x + text.widths[0], top + height


def _is_crowded(labels: Rectangles, boxes: Rectangles) -> bool:
    """Whether a label covers a part of another, or most of an object."""
    between = _overlaps(labels, labels)
    np.fill_diagonal(between, 0)
    return bool(between.any() or (_overlaps(labels, boxes) > _MOST_COVERED * _areas(boxes)).any())


def _rearranged(boxes: Rectangles, texts: Sequence[Text], size: tuple[int, int]) -> list[Label | None]:
    labelled = boxes[:_MOST_LABELS]
    variants = [_variants(text, size) for text in texts[:_MOST_LABELS]]
    candidates = _candidates(labelled, np.array([[one[:2] for one in row] for row in variants], np.int32), size[1])
    count = candidates.shape[1]
    flat = candidates.reshape(-1, 4)
    spared = boxes[:_MOST_SPARED]
    covered = _overlaps(flat, spared) / np.maximum(_areas(spared), 1).astype(np.float32)
    cost = covered.sum(1).reshape(-1, count) + _PREFERRED * np.arange(count)
    free = (covered <= _MOST_COVERED).all(1) & (flat[:, 1] >= 0) & (flat[:, 2] <= size[1]) & (flat[:, 3] <= size[0])
    cost[~free.reshape(-1, count)] = np.inf
    orders, costs, places = cost.argsort(1, kind="stable").tolist(), cost.tolist(), candidates.tolist()
    placed: list[Label | None] = [None] * len(boxes)
    taken: list[list[int]] = []
    for owner, order in enumerate(orders):
        for chosen in order:
            place = places[owner][chosen]
            if costs[owner][chosen] == math.inf:
                break
            if not any(_meet(place, other) for other in taken):
                width, height, text, scale = variants[owner][chosen // _PLACES]
                placed[owner] = Label(text, place[0], place[1], width, height, scale)
                taken.append(place)
                break
    return placed


def _meet(first: list[int], second: list[int]) -> bool:
    """Whether two rectangles have an area in common."""
    return first[0] < second[2] and second[0] < first[2] and first[1] < second[3] and second[1] < first[3]


def _variants(text: Text, size: tuple[int, int]) -> list[tuple[int, int, str, float]]:
    """Width, height, text and scale of what a label may be, the best first: whole, smaller, shorter."""
    goal = max(_LEAST_TEXT, min(text.height, min(size) / _TEXT_SHARE))
    variants = []
    for number, share in ((0, 1.0), (0, _SMALLER), (len(text.texts) - 1, _SMALLER)):
        factor = min(1.0, max(_LEAST_TEXT, goal * share) / text.height)
        width, height = int(text.widths[number] * factor) + 2, round(text.height * factor) + _NARROW_PAD
        variants.append((width, height, text.texts[number], text.scale * factor))
    return variants


def _candidates(boxes: Rectangles, sizes: NDArray[np.int32], image_width: int) -> NDArray[np.int32]:
    """(n, variants × _PLACES, 4) rectangles for labels of these (n, variants, 2) widths and heights.

    Above the box at its left and at its right, below it, inside at the top, inside at the bottom.
    """
    width, height = sizes[:, :, 0], sizes[:, :, 1]
    x1, y1, x2, y2 = (boxes[:, None, side] for side in range(4))
    left = np.clip(x1, 0, np.maximum(image_width - width, 0))
    right = np.clip(x2 - width, 0, np.maximum(image_width - width, 0))
    x = np.stack([left, right, left, right, left, left], 2)
    above, below, top, bottom = y1 - height, y2 + 0 * height, y1 + 0 * height, y2 - height
    y = np.stack([above, above, below, below, top, bottom], 2)
    rectangles = np.stack([x, y, x + width[:, :, None], y + height[:, :, None]], 3)
    return rectangles.reshape(len(boxes), -1, 4)


def _overlaps(first: Rectangles, second: Rectangles) -> Rectangles:
    """The area that each of `first` (n, 4) has in common with each of `second` (m, 4), as (n, m)."""
    one, other = first.T[:, :, None], np.ascontiguousarray(second.T)[:, None]
    sides = np.minimum(one[2:], other[2:])
    sides -= np.maximum(one[:2], other[:2])
    across, down = np.maximum(sides, 0, out=sides)
    return np.asarray(np.multiply(across, down, out=across), np.int32)


def _areas(boxes: Rectangles) -> Rectangles:
    return np.asarray((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]), np.int32)
