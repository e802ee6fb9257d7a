"""A network of layers that name the layers they read from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from entrypoint.models.yolov5.head import Detect


@dataclass(frozen=True, slots=True)
class Step:
    """Where a layer reads: indices of earlier layers, -1 for the one just before; `many` passes them as a list."""

    sources: tuple[int, ...]
    many: bool


class Network(nn.Module):
    """The layers of a YOLOv5 detection model, in order, the head last.

    Input: (B, 3, H, W) RGB in [0, 1], H and W multiples of `stride`. Output: the maps of the head, finest level first,
    for `head.decode`.
    """

    def __init__(self, layers: Sequence[nn.Module], head: Detect, steps: Sequence[Step], stride: int) -> None:
        super().__init__()
        self.layers, self.steps, self.stride = nn.ModuleList([*layers, head]), tuple(steps), stride
        self._kept = {
            index % position if index < -1 else index
            for position, step in enumerate(self.steps)
            for index in step.sources
            if index != -1
        }

    @property
    def head(self) -> Detect:
        head = self.layers[-1]
        assert isinstance(head, Detect)  # noqa: S101 - __init__ put it there
        return head

    def forward(self, pixels: Tensor) -> list[Tensor]:
        kept: dict[int, Tensor] = {}
        y: Any = pixels
        for position, (layer, step) in enumerate(zip(self.layers, self.steps, strict=True)):
            inputs = [y if i == -1 else kept[i % position] for i in step.sources]
            y = layer(inputs if step.many else inputs[0])
            if position in self._kept:
                kept[position] = y
        maps: list[Tensor] = y
        return maps
