"""The anchor head of YOLOv5: feature maps in, boxes with scores out."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

_ROUNDING = 0.01  # of logits in FP16, and more

_Found = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]


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
        levels = [(level, raw) for level, raw in enumerate(maps) if raw is not None]
        found = [self._above(raw, least) for _, raw in levels]
        image, anchor, cell, logits = map(np.concatenate, zip(*found, strict=True))
        which = np.array([(level, raw.shape[3]) for level, raw in levels])
        level, width = which.repeat([len(cells) for _, _, cells, _ in found], 0).T
        row_and_column = np.array(np.divmod(cell, width), np.float32)
        with np.errstate(over="ignore"):  # far below zero
            t = 1 / (1 + np.exp(-logits))
        t[:, :2] = (t[:, :2] * 2 + (row_and_column[::-1].T - 0.5)) * self._strides[level, None]
        t[:, 2:4] = (t[:, 2:4] * 2) ** 2 * self._anchors[level, anchor]
        above = t[:, 4] > threshold
        return image[above], t[above]

    def _above(self, raw: Tensor, least: float) -> _Found:
        batch, _, height, width = raw.shape
        raw = raw.view(batch, self._anchors.shape[1], 5 + self.classes, height * width)
        return above_by_torch(raw, least) if raw.is_cuda else above_by_numpy(raw, least)


def above_by_torch(raw: Tensor, least: float) -> _Found:
    """Where objectness, as a logit, is above `least`: image, anchor and cell, (n,) each; and all logits there.

    `raw` (B, anchors, 5 + classes, cells) may be on a GPU; nothing else leaves it.
    """
    places = (raw[:, :, 4] > least).nonzero()
    image, anchor, cell = places.unbind(1)
    logits = raw[image, anchor, :, cell].float()
    return *places.T.cpu().numpy(), logits.cpu().numpy()


def above_by_numpy(raw: Tensor, least: float) -> _Found:
    """The same on a CPU, where a call of NumPy costs less than one of PyTorch."""
    values = raw.numpy()
    plane, cell = np.divmod(np.flatnonzero(values[:, :, 4] > least), values.shape[3])
    image, anchor = np.divmod(plane, values.shape[1])
    return image, anchor, cell, values[image, anchor, :, cell].astype(np.float32, copy=False)
