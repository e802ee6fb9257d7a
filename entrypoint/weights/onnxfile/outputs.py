"""What the output of a graph means, told from its shape for an image of known size, and from what the file says."""

import math
from dataclasses import dataclass

from entrypoint.errors import NotADetectorError
from entrypoint.models import exported
from entrypoint.models.exported import Layout
from entrypoint.weights.onnxfile.call import Shape

_STRIDES = ((8, 16, 32), (8, 16, 32, 64), (4, 8, 16, 32), (16, 32))
_MOST_FINAL = 2000  # boxes of an image after NMS: tools keep 300 or 1000, and a shape's upper bound is up to twice that
_FINAL_COLUMNS = 6
_ANCHORS = 3
_MASKS = 32  # numbers for each box's mask, of a segmentation network
EXPORT_AGAIN = "expected the output of YOLOv5's export.py, or of the ultralytics package's export. Export it again"


@dataclass(frozen=True, slots=True)
class Found:
    """`place`: of the output that holds boxes. `classes`: how many it scores. `coarsest`: stride, where that shows."""

    place: int
    layout: Layout
    classes: int | None
    coarsest: int | None = None


def find_layout(shapes: list[Shape], size: tuple[int, int], task: str | None, names: int | None) -> Found:
    """The output that holds boxes. `task`, as the ultralytics package notes it; None from other tools.

    `names`: how many classes the file names. Raises NotADetectorError where no output is of a known kind.
    """
    masks = any(len(shape) == 4 and shape[1] == _MASKS for shape in shapes)
    for place, shape in enumerate(shapes):
        if len(shape) == 3 and (found := _layout(shape, size, task, names, masks)):
            return Found(place, *found)
    shown = ", ".join(" × ".join(map(str, shape)) for shape in shapes)[:200]
    raise NotADetectorError(
        f"gives raw or unknown outputs ({shown} for an image of {size[0]} × {size[1]}); {EXPORT_AGAIN}"
    )


def _layout(
    shape: Shape, size: tuple[int, int], task: str | None, names: int | None, masks: bool
) -> tuple[Layout, int | None, int | None] | None:
    _, rows, columns = shape
    cells = {_cells(size, strides): strides[-1] for strides in _STRIDES}
    if task is None and rows % _ANCHORS == 0 and rows // _ANCHORS in cells and columns > 5:
        with_masks = masks and names in (None, columns - 5 - _MASKS)
        return exported.with_objectness, columns - 5 - _MASKS * with_masks, cells[rows // _ANCHORS]
    more = task in ("segment", "pose") or masks
    if rows > 4 and (columns in cells or (columns // _ANCHORS in cells and rows - 4 == names)):
        if more and names is None:
            return None
        if more or task is None or names in (None, rows - 4):
            return exported.by_class, names if more else rows - 4, cells.get(columns)
    if names and columns != _FINAL_COLUMNS and not more:  # levels of other strides: what the file says of itself tells
        if task is not None and rows == 4 + names:
            return exported.by_class, names, None
        if task is None and columns == 5 + names:
            return exported.with_objectness, names, None
    if rows <= _MOST_FINAL and (columns == _FINAL_COLUMNS or (more and columns > 6 and task)):
        return exported.final, names, None
    return None


def _cells(size: tuple[int, int], strides: tuple[int, ...]) -> int:
    return sum(math.ceil(size[0] / stride) * math.ceil(size[1] / stride) for stride in strides)
