"""Boxes and labels on pixels."""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from entrypoint.results.labels import Label, Text, place_labels, usual_place
from entrypoint.results.lettering import drawable
from entrypoint.results.palettes import Colour, colour
from entrypoint.resultsettings import Palette
from entrypoint.values import Detections

_FONT = cv2.FONT_HERSHEY_SIMPLEX


@dataclass(frozen=True, slots=True)
class DrawOptions:
    """detect.py's options; `line_thickness` in pixels, None for one that suits the image's size."""

    line_thickness: int | None = 3
    hide_labels: bool = False
    hide_conf: bool = False
    palette: Palette = "bright"


def annotate(
    image: NDArray[np.uint8], found: Detections, names: tuple[str, ...], options: DrawOptions
) -> NDArray[np.uint8]:
    """`image` itself (HWC uint8 BGR), with its detections drawn onto it, the most confident on top.

    Labels stand where detect.py puts them, unless they would cover each other or most of an object.
    """
    width = options.line_thickness or max(round(sum(image.shape[:2]) / 2 * 0.003), 2)
    boxes = found.xyxy.astype(np.int32)
    colours = [colour(class_id, options.palette) for class_id in found.class_id.tolist()]
    corners = boxes.tolist()
    if options.hide_labels:
        for box, ink in zip(reversed(corners), reversed(colours), strict=True):
            _put_box(image, box, ink, width)
        return image
    texts = _texts(found, names, width, hide_conf=options.hide_conf)
    size = image.shape[0], image.shape[1]
    labels = place_labels(boxes, texts, size)
    for place in reversed(range(len(corners))):
        _put_box(image, corners[place], colours[place], width)
        if labels is None:
            _put_label(image, usual_place(corners[place], texts[place], size[1]), texts[place], colours[place], width)
    for place, label in enumerate(labels or ()):
        if label is not None:
            _put_small_label(image, label, colours[place])
    return image


def _texts(found: Detections, names: tuple[str, ...], width: int, *, hide_conf: bool) -> list[Text]:
    """What stands at each box: the name and the confidence, or the name alone."""
    thickness, scale = max(width - 1, 1), width / 3
    texts = []
    for class_id, confidence in zip(found.class_id.tolist(), found.confidence.tolist(), strict=True):
        name = drawable(names[class_id], f"class {class_id}")
        whole = name if hide_conf else f"{name} {confidence:.2f}"
        text_width, height = _text_size(whole, scale, thickness)
        texts.append(Text((whole, name), (text_width, _text_size(name, scale, thickness)[0]), height, scale))
    return texts


def _put_box(canvas: NDArray[np.uint8], box: list[int], ink: Colour, width: int) -> None:
    cv2.rectangle(canvas, (box[0], box[1]), (box[2], box[3]), ink, width)  # upright: nothing to smooth


def _put_label(
    canvas: NDArray[np.uint8], place: tuple[int, int, int, int], text: Text, fill: Colour, width: int
) -> None:
    """The label on a filled ground at its usual place."""
    x, top, right, bottom = place
    cv2.rectangle(canvas, (x, top), (right, bottom), fill, cv2.FILLED)
    baseline = (x, top + text.height + 3)
    cv2.putText(canvas, text.texts[0], baseline, _FONT, text.scale, _ink(fill), max(width - 1, 1), cv2.LINE_AA)


def _put_small_label(canvas: NDArray[np.uint8], label: Label, fill: Colour) -> None:
    opposite = (label.x + label.width - 1, label.y + label.height - 1)
    cv2.rectangle(canvas, (label.x, label.y), opposite, fill, cv2.FILLED)
    baseline = (label.x + 1, label.y + label.height - 2)
    cv2.putText(canvas, label.text, baseline, _FONT, label.scale, _ink(fill), 1, cv2.LINE_AA)


def _ink(fill: Colour) -> Colour:
    """Black or white, whichever can be read on this ground."""
    luminance = 0.114 * fill[0] + 0.587 * fill[1] + 0.299 * fill[2]
    return (0, 0, 0) if luminance > 140 else (255, 255, 255)


@lru_cache(4096)
def _text_size(label: str, scale: float, thickness: int) -> tuple[int, int]:
    (width, height), _ = cv2.getTextSize(label, _FONT, scale, thickness)
    return width, height
