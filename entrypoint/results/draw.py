"""Boxes and labels on pixels."""

import colorsys
from dataclasses import dataclass
from functools import cache, lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from entrypoint.values import Detections

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_HUE_STEP = 0.618034  # the golden ratio: neighbouring classes get distant hues, however many there are


@dataclass(frozen=True, slots=True)
class DrawOptions:
    """detect.py's options; `line_thickness` in pixels, None for one that suits the image's size."""

    line_thickness: int | None = 3
    hide_labels: bool = False
    hide_conf: bool = False


@cache
def colour(class_id: int) -> tuple[int, int, int]:
    """BGR in [0, 255], always the same for a class."""
    red, green, blue = colorsys.hsv_to_rgb(class_id * _HUE_STEP % 1, 0.85, 1.0 - 0.25 * (class_id % 3 == 2))
    return round(blue * 255), round(green * 255), round(red * 255)


def annotate(
    image: NDArray[np.uint8], found: Detections, names: tuple[str, ...], options: DrawOptions
) -> NDArray[np.uint8]:
    """`image` itself (HWC uint8 BGR), with its detections drawn onto it, the most confident on top."""
    width = options.line_thickness or max(round(sum(image.shape[:2]) / 2 * 0.003), 2)
    boxes = zip(found.xyxy.astype(int).tolist(), found.confidence.tolist(), found.class_id.tolist(), strict=True)
    for (x1, y1, x2, y2), confidence, class_id in reversed(list(boxes)):
        label = "" if options.hide_labels else names[class_id]
        if label and not options.hide_conf:
            label += f" {confidence:.2f}"
        cv2.rectangle(image, (x1, y1), (x2, y2), colour(class_id), width)  # upright: nothing to smooth
        if label:
            _put_label(image, label, (x1, y1), colour(class_id), width)
    return image


def _put_label(
    canvas: NDArray[np.uint8], label: str, corner: tuple[int, int], fill: tuple[int, int, int], width: int
) -> None:
    """The label on a filled box above the corner, or below it where the image ends; inside the right edge."""
    thickness, scale = max(width - 1, 1), width / 3
    text_width, text_height = _text_size(label, scale, thickness)
    height = text_height + 6
    x = max(0, min(corner[0], canvas.shape[1] - text_width))
    top = corner[1] - height if corner[1] >= height else corner[1]
    cv2.rectangle(canvas, (x, top), (x + text_width, top + height), fill, cv2.FILLED)
    luminance = 0.114 * fill[0] + 0.587 * fill[1] + 0.299 * fill[2]
    ink = (0, 0, 0) if luminance > 140 else (255, 255, 255)
    cv2.putText(canvas, label, (x, top + text_height + 3), _FONT, scale, ink, thickness, cv2.LINE_AA)


@lru_cache(4096)
def _text_size(label: str, scale: float, thickness: int) -> tuple[int, int]:
    (width, height), _ = cv2.getTextSize(label, _FONT, scale, thickness)
    return width, height
