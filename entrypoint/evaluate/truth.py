"""The ground truth: what is really in the images, whichever format it was written in."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from entrypoint.evaluate.boxes import Boxes
from entrypoint.results.sameimages import Matched, match_names


@dataclass(frozen=True, slots=True)
class Objects:
    """The objects of one image.

    `xyxy` (n, 4) float64 pixels; `class_id` (n,) int64, which counts the classes of the truth; `area` (n,) float64
    square pixels, in COCO that of the outline; `crowd` (n,) bool, true where a box stands for many.
    """

    xyxy: Boxes
    class_id: NDArray[np.int64]
    area: NDArray[np.float64]
    crowd: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.class_id)


@dataclass(frozen=True, slots=True)
class Truth:
    """`images`: the objects of each image, by its file as the truth names it; `names`: its classes, in its order.

    `ids` are the numbers that COCO gives its categories. In a truth that `is_yolo`, files have no suffix, boxes are
    fractions of the image, and an image that is not named has no objects; elsewhere nothing is known of it.
    """

    images: Mapping[str, Objects]
    names: tuple[str, ...]
    ids: tuple[int, ...]
    is_yolo: bool = False
    is_named: bool = True
    """Whether it has names of its own for its classes, instead of the network's."""


def scaled(objects: Objects, width: int, height: int) -> Objects:
    """Objects whose boxes were fractions of an image, in the pixels of one of that size."""
    size = np.array([width, height, width, height], np.float64)
    return Objects(objects.xyxy * size, objects.class_id, objects.area * width * height, objects.crowd)


def objects(
    xyxy: Iterable[Sequence[float]],
    class_id: Sequence[int],
    area: Sequence[float] | None = None,
    crowd: Sequence[bool] | None = None,
) -> Objects:
    """From plain lists; the area is that of the box where it is not given. Raises ValueError for what is no box."""
    boxes = np.array(list(xyxy), np.float64).reshape(-1, 4)
    if not (np.isfinite(boxes).all() and (boxes[:, 2:] >= boxes[:, :2]).all()):
        raise ValueError("a box whose width or height is negative or no number")
    if any(number < 0 for number in class_id):
        raise ValueError(f"class {min(class_id)}")
    sides = boxes[:, 2:] - boxes[:, :2]
    return Objects(
        boxes,
        np.array(class_id, np.int64),
        sides.prod(1) if area is None else np.array(area, np.float64),
        np.zeros(len(boxes), np.bool_) if crowd is None else np.array(crowd, np.bool_),
    )


def match_files(truth: Truth, files: Sequence[str]) -> Matched:
    """Find the file of each image of the truth, as `match_names` does.

    Labels of `x.jpg` are in `x.txt`, or, as detect.py's here, in `x.jpg.txt`.
    """
    if truth.is_yolo:
        return match_names(truth.images, files, lambda file: (str(PurePosixPath(file).with_suffix("")), file))
    return match_names(truth.images, files)
