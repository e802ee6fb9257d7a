"""The anchor head of YOLOv5: feature maps in, boxes with scores out."""

import torch
from torch import Tensor, nn


class Detect(nn.Module):
    """One 1×1 convolution a level, and the decoding of what it gives.

    With t the raw outputs after a sigmoid, g the cell's index and a the anchor's size in pixels, YOLOv5 has
    xy = (2t - 0.5 + g) · stride and wh = (2t)² · a (issue 471 of ultralytics/yolov5 derives it).
    """

    anchors: Tensor

    def __init__(self, convs: nn.ModuleList, anchors: Tensor, strides: Tensor, classes: int) -> None:
        """`anchors` (levels, anchors, 2) in cells of their level; `strides` (levels,) in pixels."""
        super().__init__()
        self.convs, self.outputs = convs, 5 + classes
        self.strides = [float(stride) for stride in strides]
        self.register_buffer("anchors", anchors.float() * strides.float().view(-1, 1, 1))
        self._grids: dict[tuple[int, int, torch.device, torch.dtype], Tensor] = {}

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Predictions a level, finest first: (B, anchors·H·W, 5 + classes).

        A row is x, y centre, width, height in pixels of the network's input, objectness and class scores in [0, 1].
        """
        return [self._decode(level, conv(x)) for level, (conv, x) in enumerate(zip(self.convs, features, strict=True))]

    def _decode(self, level: int, raw: Tensor) -> Tensor:
        batch, _, height, width = raw.shape
        anchors = self.anchors[level]
        y = raw.view(batch, len(anchors), self.outputs, height, width).permute(0, 1, 3, 4, 2).sigmoid()
        xy = (y[..., :2] * 2 + self._cells(height, width, y)) * self.strides[level]
        wh = (y[..., 2:4] * 2) ** 2 * anchors.to(y.dtype).view(1, -1, 1, 1, 2)
        return torch.cat((xy, wh, y[..., 4:]), -1).reshape(batch, -1, self.outputs)

    def _cells(self, height: int, width: int, like: Tensor) -> Tensor:
        """Cell indices less the half that centres them, (H, W, 2) as x, y; kept for the next batch of the shape."""
        key = (height, width, like.device, like.dtype)
        if key not in self._grids:
            rows = torch.arange(height, device=like.device, dtype=like.dtype)
            columns = torch.arange(width, device=like.device, dtype=like.dtype)
            y, x = torch.meshgrid(rows, columns, indexing="ij")
            self._grids[key] = torch.stack((x, y), -1) - 0.5
        return self._grids[key]
