"""The anchor head of YOLOv5: feature maps in, boxes with scores out."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

_ROUNDING = 0.01  # of logits in FP16, and more


def _logit(share: float) -> float:
    """What a sigmoid makes `share` of."""
    if not 0 < share < 1:
        return math.copysign(math.inf, share - 0.5)
    return math.log(share / (1 - share))


class Detect(nn.Module):
    """One 1×1 convolution a level, and what its outputs mean.

    With t the raw outputs after a sigmoid, g the cell's index and a the anchor's size in pixels, YOLOv5 has
    xy = (2t - 0.5 + g) · stride and wh = (2t)² · a (issue 471 of ultralytics/yolov5 derives it).
    """

    def __init__(self, convs: nn.ModuleList, anchors: Tensor, strides: Tensor, classes: int) -> None:
        """`anchors` (levels, anchors, 2) in cells of their level; `strides` (levels,) in pixels."""
        super().__init__()
        self.convs, self.classes = convs, classes
        self._strides = strides.float().numpy()
        self._anchors = (anchors.float() * strides.float().view(-1, 1, 1)).numpy()

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Raw maps a level, finest first: (B, anchors·(5 + classes), H, W), logits."""
        return [conv(x) for conv, x in zip(self.convs, features, strict=True)]

    def decode(self, maps: Sequence[Tensor | None], threshold: float) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The predictions whose objectness is above `threshold`; nothing else leaves the device. None skips a level.

        Gives the image of each in its batch, (n,), and x, y centre, width, height in pixels of the network's input,
        objectness and class scores in [0, 1], (n, 5 + classes); an image's by level, anchor, row, column.
        """
        least = _logit(threshold) - _ROUNDING
        found = [self._above(raw, least) for raw in maps if raw is not None]
        levels = [level for level, raw in enumerate(maps) if raw is not None]
        level = np.repeat(levels, [len(places) for places, _ in found])
        places = torch.cat([places for places, _ in found]).cpu().numpy()
        logits = torch.cat([logits for _, logits in found]).float().cpu().numpy()
        image, anchor, rows_and_columns = places[:, 0], places[:, 1], places[:, 2:]
        with np.errstate(over="ignore"):  # far below zero
            t = 1 / (1 + np.exp(-logits))
        cells = rows_and_columns[:, ::-1].astype(np.float32)
        t[:, :2] = (t[:, :2] * 2 + (cells - 0.5)) * self._strides[level, None]
        t[:, 2:4] = (t[:, 2:4] * 2) ** 2 * self._anchors[level, anchor]
        above = t[:, 4] > threshold
        return image[above], t[above]

    def _above(self, raw: Tensor, least: float) -> tuple[Tensor, Tensor]:
        """Where objectness, as a logit, is above `least`: image, anchor, row, column, (n, 4); and all logits there."""
        batch, _, height, width = raw.shape
        raw = raw.view(batch, self._anchors.shape[1], 5 + self.classes, height, width)
        places = (raw[:, :, 4] > least).nonzero()
        image, anchor, row, column = places.unbind(1)
        return places, raw.permute(0, 1, 3, 4, 2)[image, anchor, row, column]
