"""The anchor head of YOLOv5: what the maps of its convolutions mean."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from entrypoint.models.network import Candidates, Output, cells_above, labels_of
from entrypoint.models.sigmoid import ROUNDING, logit, sigmoid

_OBJECTNESS = 4  # its place among the values of an anchor


class Head:
    """A map a level, finest first: (B, anchors · (5 + classes), H, W), logits.

    With t the maps after a sigmoid, g the cell's index and a the anchor's size in pixels, YOLOv5 has
    xy = (2t - 0.5 + g) · stride and wh = (2t)² · a (issue 471 of ultralytics/yolov5 derives it).
    """

    def __init__(self, anchors: NDArray[np.float32], strides: NDArray[np.float32]) -> None:
        """`anchors` (levels, anchors, 2) in cells of their level; here they are in pixels. `strides` (levels,)."""
        self.strides, self.anchors = strides, anchors * strides[:, None, None]

    def decode(self, maps: Sequence[Output | None], threshold: float) -> Candidates:
        """The predictions whose objectness is above `threshold`; nothing else leaves a device. None skips a level.

        Gives the image of each in its batch, (n,), and x, y centre, width, height in pixels of the network's input,
        objectness and class scores in [0, 1], (n, 5 + classes); an image's by level, anchor, row, column.
        """
        least = logit(threshold) - ROUNDING
        levels = [(level, output) for level, output in enumerate(maps) if output is not None]
        found = [cells_above(output, self.anchors.shape[1], _OBJECTNESS, least) for _, output in levels]
        image, anchor, cell, logits = map(np.concatenate, zip(*found, strict=True))
        which = np.array([(level, output.shape[3]) for level, output in levels])
        level, width = which.repeat([len(cells) for _, _, cells, _ in found], 0).T
        row_and_column = np.array(np.divmod(cell, width), np.float32)
        t = sigmoid(logits)
        t[:, :2] = (t[:, :2] * 2 + (row_and_column[::-1].T - 0.5)) * self.strides[level, None]
        t[:, 2:4] = (t[:, 2:4] * 2) ** 2 * self.anchors[level, anchor]
        above = t[:, _OBJECTNESS] > threshold
        return image[above], t[above]


def candidates(
    image: NDArray[np.int64], rows: NDArray[np.float32], threshold: float, multi_label: bool = False
) -> Candidates:
    """The decoded predictions whose objectness × class score is above `threshold`, as NMS takes them."""
    scores = rows[:, 5:] * rows[:, 4:5]
    kept, label = labels_of(scores, threshold, multi_label)
    confidence = scores[kept, label, None]
    centre, half = rows[kept, :2], rows[kept, 2:4] / 2
    found = np.concatenate((centre - half, centre + half, confidence, label[:, None]), 1, dtype=np.float32)
    return image[kept], found
