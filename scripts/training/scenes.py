"""Scenes of coloured shapes, drawn at random, with their ground truth."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

NAMES = ("circle", "square", "triangle")
_HUES = (5, 65, 115)  # of OpenCV's 180: red, green, blue
_SIZES = (22, 120)
_MAX_SHAPES = 6
_MAX_OVERLAP = 0.1


@dataclass(frozen=True, slots=True)
class Scene:
    """`image` HWC uint8 BGR; `boxes` (n, 4) float32 xyxy pixels; `classes` (n,) int64, indices into NAMES."""

    image: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    classes: NDArray[np.int64]


def draw_scene(random: Generator, width: int, height: int) -> Scene:
    """One to six shapes on a shaded, noisy background with stray lines, hardly overlapping."""
    image = _background(random, width, height)
    boxes: list[tuple[float, float, float, float]] = []
    classes: list[int] = []
    for _ in range(random.integers(1, _MAX_SHAPES + 1)):
        size = float(np.exp(random.uniform(*np.log(_SIZES))))
        x, y = random.uniform(size / 2, width - size / 2), random.uniform(size / 2, height - size / 2)
        class_id = int(random.integers(len(NAMES)))
        outline = _outline(random, class_id, size, x, y)
        (x1, y1), (x2, y2) = outline.min(0), outline.max(0)
        if any(_overlap((x1, y1, x2, y2), other) > _MAX_OVERLAP for other in boxes):
            continue
        cv2.fillPoly(image, [np.round(outline * 16).astype(np.int32)], _colour(random, class_id), cv2.LINE_AA, 4)
        boxes.append((x1, y1, x2, y2))
        classes.append(class_id)
    noise = random.normal(0, random.uniform(0, 10), image.shape)
    noisy = (image + noise).clip(0, 255).astype(np.uint8)
    return Scene(noisy, np.array(boxes, np.float32).reshape(-1, 4), np.array(classes, np.int64))


def _background(random: Generator, width: int, height: int) -> NDArray[np.uint8]:
    corners = random.uniform(40, 230, (2, 2, 1)) + random.uniform(-25, 25, (2, 2, 3))
    image = cv2.resize(corners, (width, height), interpolation=cv2.INTER_LINEAR).clip(0, 255).astype(np.uint8)
    for _ in range(random.integers(0, 6)):
        start, end = (tuple(int(v) for v in random.uniform(0, (width, height))) for _ in range(2))
        shade = tuple(float(v) for v in random.uniform(0, 255) + random.uniform(-20, 20, 3))
        cv2.line(image, start, end, shade, int(random.integers(1, 4)), cv2.LINE_AA)
    return image


def _outline(random: Generator, class_id: int, size: float, x: float, y: float) -> NDArray[np.float64]:
    """Corner points (n, 2) of a shape turned at random, its longer side near `size`."""
    corners = (64, 4, 3)[class_id]
    angles = np.arange(corners) * 2 * np.pi / corners + random.uniform(0, 2 * np.pi)
    points = np.stack((np.cos(angles), np.sin(angles)), 1)
    points *= size / (points.max(0) - points.min(0)).max()
    points -= (points.max(0) + points.min(0)) / 2
    return np.asarray(points + (x, y), np.float64)  # noqa: RUF005 - an array, not a list


def _colour(random: Generator, class_id: int) -> tuple[float, ...]:
    hue = (_HUES[class_id] + random.integers(-12, 13)) % 180
    pixel = np.array([[[hue, random.integers(120, 256), random.integers(110, 256)]]], np.uint8)
    return tuple(float(v) for v in cv2.cvtColor(pixel, cv2.COLOR_HSV2BGR)[0, 0])


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    """Intersection over the smaller area."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    smaller = min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))
    return max(0.0, width) * max(0.0, height) / smaller
