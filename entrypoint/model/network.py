"""A network of layers that name the layers they read from, and test-time augmentation over it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

# YOLOv5's test-time augmentation: the image's size, and whether it is mirrored.
_PASSES = ((1.0, False), (0.83, True), (0.67, False))
_PAD_VALUE = 0.447  # the mean of ImageNet, as YOLOv5 pads scaled images


@dataclass(frozen=True, slots=True)
class Step:
    """Where a layer reads: indices of earlier layers, -1 for the one just before; `many` passes them as a list."""

    sources: tuple[int, ...]
    many: bool


class Network(nn.Module):
    """The layers of a YOLOv5 detection model, in order, the head last.

    Input: (B, 3, H, W) RGB in [0, 1], H and W multiples of `stride`. Output: (B, N, 5 + classes) as `Detect` gives,
    all levels in one.
    """

    def __init__(self, layers: nn.ModuleList, steps: Sequence[Step], stride: int, classes: int) -> None:
        super().__init__()
        self.layers, self.steps, self.stride, self.classes = layers, tuple(steps), stride, classes
        self._kept = {
            index % position if index < -1 else index
            for position, step in enumerate(self.steps)
            for index in step.sources
            if index != -1
        }

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat(self.levels(x), 1)

    def levels(self, x: Tensor) -> list[Tensor]:
        """Predictions a level, finest first."""
        kept: dict[int, Tensor] = {}
        y: Tensor | list[Tensor] = x
        for position, (layer, step) in enumerate(zip(self.layers, self.steps, strict=True)):
            inputs = [y if i == -1 else kept[i % position] for i in step.sources]
            y = layer(inputs if step.many else inputs[0])
            if position in self._kept and isinstance(y, Tensor):
                kept[position] = y
        if not isinstance(y, list):
            raise TypeError("the last layer is not a detection head")
        return y

    def augmented(self, x: Tensor) -> Tensor:
        """Predictions at three sizes, one mirrored, in pixels of `x`.

        The full-size pass drops its coarsest level and the smallest pass its finest, whose boxes the other passes
        find better (YOLOv5 v5.0 and later).
        """
        width = x.shape[3]
        found = []
        for number, (scale, mirrored) in enumerate(_PASSES):
            levels = self.levels(self._scaled(x.flip(3) if mirrored else x, scale))
            if number == 0:
                levels = levels[:-1]
            if number == len(_PASSES) - 1:
                levels = levels[1:]
            if not levels:  # a head of one level
                continue
            y = torch.cat(levels, 1)
            boxes = y[..., :4] / scale
            if mirrored:
                boxes = torch.cat((width - boxes[..., :1], boxes[..., 1:]), -1)
            found.append(torch.cat((boxes, y[..., 4:]), -1))
        return torch.cat(found, 1)

    def _scaled(self, x: Tensor, scale: float) -> Tensor:
        if scale == 1:
            return x
        height, width = x.shape[2:]
        size = int(height * scale), int(width * scale)
        y = functional.interpolate(x, size=size, mode="bilinear", align_corners=False)
        bottom, right = (
            math.ceil(full * scale / self.stride) * self.stride - part
            for full, part in zip((height, width), size, strict=True)
        )
        return functional.pad(y, (0, right, 0, bottom), value=_PAD_VALUE)
