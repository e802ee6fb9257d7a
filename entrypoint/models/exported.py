"""Networks that an export tool wrote as one graph, whose output is boxes: decoded already, and perhaps after NMS."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from entrypoint.models.graph import Graph
from entrypoint.models.network import Candidates, Family, Network, Output, labels_of
from entrypoint.models.yolov5 import head

Layout: TypeAlias = Callable[[NDArray[np.generic], int, float, bool], Candidates]
"""From an output and a number of classes to the candidates with more confidence than a threshold, of the best class
each or of every one."""
# In strides, height and width: a head without NMS gives its best 300 cells, and fails for an image that has fewer.
_TRIAL_OF_FINAL = (10, 11)
_ROUNDING = 1e-3  # of a share in half precision
# How far engines may be apart, in hundredths of a pixel. In half precision, boxes of hundreds of pixels are rounded to
# half a pixel; and where numbers are rounded to 8 bits, or rows are ranked, one step of rounding changes all.
_IN_FULL, _IN_HALF, _NOT_AT_ALL = 10, 100, 1e12


def with_objectness(
    output: NDArray[np.generic], classes: int, threshold: float, multi_label: bool = False
) -> Candidates:
    """YOLOv5's export.py: (B, N, 5 + classes), x, y centre, width, height in pixels, objectness, class scores."""
    image, row = np.nonzero(output[:, :, 4].astype(np.float32) > threshold)
    rows = output[image, row, : 5 + classes].astype(np.float32)
    return head.candidates(image, rows, threshold, multi_label)


def by_class(output: NDArray[np.generic], classes: int, threshold: float, multi_label: bool = False) -> Candidates:
    """The ultralytics package: (B, 4 + classes, N), x, y centre, width, height in pixels, class scores."""
    scores = output[:, 4 : 4 + classes]
    image, place = np.nonzero(scores.max(1).astype(np.float32) > threshold)
    found = scores[image, :, place].astype(np.float32)
    row, label = labels_of(found, threshold, multi_label)
    boxes = output[image[row], :4, place[row]].astype(np.float32)
    centre, half = boxes[:, :2], boxes[:, 2:] / 2
    rows = (centre - half, centre + half, found[row, label, None], label[:, None])
    return image[row], np.concatenate(rows, 1, dtype=np.float32)


def final(output: NDArray[np.generic], classes: int, threshold: float, multi_label: bool = False) -> Candidates:
    """After NMS, or of a head that needs none: (B, N, 6), x1, y1, x2, y2 in pixels, confidence, class.

    Rows without confidence only fill the output up.
    """
    image, row = np.nonzero(output[:, :, 4].astype(np.float32) > threshold)
    return image, output[image, row, :6].astype(np.float32)


class Exported(Network):
    """A graph with one output in a known layout."""

    def __init__(
        self,
        graph: Graph,
        layout: Layout,
        names: tuple[str, ...],
        stride: int,
        family: Family,
        *,
        size: tuple[int, int] | None = None,
        batch: int | None = None,
        square: bool = False,
        script: bytes | None = None,
        check: Callable[[tuple[int, ...]], object] | None = None,
    ) -> None:
        """`size`, `batch`, `square` and `script` as `Network` has them; `check`: what `require` does for a shape."""
        self.graph, self.names, self.stride, self.family = graph, names, stride, family
        self.size, self.batch, self.square, self._layout = size, batch, square, layout
        self.script = script
        self._check, self._checked = check, set[tuple[int, ...]]()
        if layout is final:
            self.trial = _TRIAL_OF_FINAL
        in_half = any(values.dtype == np.float16 for values in graph.constants.values())
        self.tolerance = _IN_HALF if in_half else _IN_FULL
        if layout is final or any(node.op.endswith(("Integer", "QuantizeLinear")) for node in graph.nodes):
            self.tolerance = _NOT_AT_ALL

    def require(self, shape: tuple[int, ...]) -> None:
        if self._check and shape not in self._checked:
            self._check(shape)
            self._checked.add(shape)

    def candidates(self, outputs: Sequence[Output], threshold: float, multi_label: bool = False) -> Candidates:
        image, rows = self._layout(np.asarray(outputs[0]), len(self.names), threshold, multi_label)
        rows[:, 4].clip(0, 1, out=rows[:, 4])  # `fault` lets scores be a rounding's width beyond
        return image, rows

    def fault(self, outputs: Sequence[Output]) -> str | None:
        (output,) = map(np.asarray, outputs)
        count = len(self.names)
        if output.ndim != 3:
            return f"gives an output of shape {output.shape}, where boxes are expected"
        if self._layout is by_class:
            too_few = output.shape[1] < 4 + count
        else:
            too_few = output.shape[2] < (6 if self._layout is final else 5 + count)
        if too_few:
            return f"gives an output of shape {output.shape} for {count} classes: raw or unknown outputs"
        if self._layout is by_class:
            shares = output[:, 4 : 4 + count]
        else:
            shares = output[:, :, 4 : 5 if self._layout is final else 5 + count]
        if not _are_within(shares, -_ROUNDING, 1 + _ROUNDING):
            return "gives scores outside of 0 to 1: raw or unknown outputs"
        if self._layout is final and not _are_within(output[:, :, 5], 0, count - 1):
            return f"gives classes beyond the {count} that it names: raw or unknown outputs"
        return None


def _are_within(values: NDArray[np.generic], least: float, most: float) -> bool:
    return not values.size or bool(least <= values.min() and values.max() <= most)
