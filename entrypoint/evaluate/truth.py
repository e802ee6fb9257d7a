"""The ground truth: what is really in the images, whichever format it was written in."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from entrypoint.evaluate.boxes import Boxes

_MOST_FOLDERS = 64


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


@dataclass(slots=True)
class Matched:
    """Which image of the truth belongs to which file of the run."""

    by_file: dict[str, str] = field(default_factory=dict)
    without_file: list[str] = field(default_factory=list)
    unclear: list[str] = field(default_factory=list)
    """Images of the truth for which several files come into question, or which are several for one file."""
    unclear_files: set[str] = field(default_factory=set)


def match_files(truth: Truth, files: Sequence[str]) -> Matched:
    """Find the file of each image of the truth: the one of the same path, or of a path of which one ends in the other.

    A truth that was made elsewhere says `images/val/x.jpg` for what the run calls `val/x.jpg`, or the other way round.
    The same path goes before such ends; where more than one comes into question, none is taken.
    """
    whole: dict[str, list[str]] = {}
    ends: dict[str, list[str]] = {}
    for file in files:
        for key in _keys(file, truth.is_yolo):
            whole.setdefault(key, []).append(file)
            for end in _shorter(key):
                ends.setdefault(end, []).append(file)
    matched = Matched()
    same, alike = dict[str, list[str]](), dict[str, list[str]]()
    for image in truth.images:
        candidates = (whole.get(image), ends.get(image), *(whole.get(end) for end in _shorter(image)))
        found = next((files for files in candidates if files), [])
        if len(found) == 1:
            (same if image in whole else alike).setdefault(found[0], []).append(image)
        elif found:
            matched.unclear.append(image)
            matched.unclear_files.update(found)
        else:
            matched.without_file.append(image)
    for file in same.keys() | alike.keys():
        images, others = same.get(file, []), alike.get(file, [])
        if len(images) == 1 or (not images and len(others) == 1):
            matched.by_file[file] = (images or others)[0]
            matched.without_file += others if images else []
        else:
            matched.unclear += images + others
            matched.unclear_files.add(file)
    matched.unclear_files -= matched.by_file.keys()
    return matched


def _keys(file: str, by_stem: bool) -> list[str]:
    """What the truth may call a file: labels of `x.jpg` are in `x.txt`, or, as detect.py's here, in `x.jpg.txt`."""
    return [str(PurePosixPath(file).with_suffix("")), file] if by_stem else [file]


def _shorter(path: str) -> Iterator[str]:
    """`a/b/x` gives b/x and x; of a path deeper than any data set's, the last of these."""
    parts = path.rsplit("/", _MOST_FOLDERS)
    return ("/".join(parts[start:]) for start in range(1, len(parts)))
