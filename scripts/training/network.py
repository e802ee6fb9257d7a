"""A tiny YOLOv5 that can be trained, and its checkpoint in the classic format.

The classes carry the attribute names of the YOLOv5 modules and pickle under `models.common` and `models.yolo`, so what
is saved here is what YOLOv5's train.py saves. The program itself never imports this; it has layers of its own.
"""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

STRIDES = (8, 16, 32)
ANCHORS = (  # pixels, three a level
    ((18, 18), (26, 26), (36, 36)),
    ((44, 44), (58, 58), (72, 72)),
    ((88, 88), (108, 108), (130, 130)),
)


class Conv(nn.Module):
    def __init__(self, c1: int, c2: int, k: int = 1, s: int = 1, p: int | None = None) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c1, c2, k, s, k // 2 if p is None else p, bias=False)
        self.bn = nn.BatchNorm2d(c2, eps=1e-3, momentum=0.03)
        self.act = nn.SiLU()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.act(self.bn(self.conv(x)))
        return y


class Bottleneck(nn.Module):
    def __init__(self, c: int, shortcut: bool) -> None:
        super().__init__()
        self.cv1, self.cv2, self.add = Conv(c, c), Conv(c, c, 3), shortcut

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.cv2(self.cv1(x))
        return x + y if self.add else y


class C3(nn.Module):
    def __init__(self, c1: int, c2: int, shortcut: bool = True) -> None:
        super().__init__()
        half = c2 // 2
        self.cv1, self.cv2, self.cv3 = Conv(c1, half), Conv(c1, half), Conv(2 * half, c2)
        self.m = nn.Sequential(Bottleneck(half, shortcut))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.cv3(torch.cat((self.m(self.cv1(x)), self.cv2(x)), 1))
        return y


class SPPF(nn.Module):
    def __init__(self, c1: int, c2: int) -> None:
        super().__init__()
        self.cv1, self.cv2 = Conv(c1, c1 // 2), Conv(c1 * 2, c2)
        self.m = nn.MaxPool2d(5, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        a = self.cv1(x)
        b = self.m(a)
        c = self.m(b)
        y: Tensor = self.cv2(torch.cat((a, b, c, self.m(c)), 1))
        return y


class Concat(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.d = 1

    def forward(self, x: list[Tensor]) -> Tensor:
        return torch.cat(x, self.d)


class Detect(nn.Module):
    """The head; gives raw outputs a level, (B, anchors, H, W, 5 + classes)."""

    anchors: Tensor

    def __init__(self, classes: int, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.nc, self.no, self.nl, self.na = classes, classes + 5, len(STRIDES), len(ANCHORS[0])
        self.stride = torch.tensor(STRIDES, dtype=torch.float32)
        self.register_buffer("anchors", torch.tensor(ANCHORS, dtype=torch.float32) / self.stride.view(-1, 1, 1))
        self.m = nn.ModuleList(nn.Conv2d(c, self.no * self.na, 1) for c in channels)
        for conv in self.m:  # few objects at first: focal loss paper, 3.3
            conv.bias.data.view(self.na, self.no)[:, 4:] = -4.0  # type: ignore[operator]

    def forward(self, x: list[Tensor]) -> list[Tensor]:
        outputs = []
        for feature, conv in zip(x, self.m, strict=True):
            batch, _, height, width = feature.shape
            outputs.append(conv(feature).view(batch, self.na, self.no, height, width).permute(0, 1, 3, 4, 2))
        return outputs


class Model(nn.Module):
    """YOLOv5's layout at an eighth of its width. Input (B, 3, H, W) RGB in [0, 1]."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__()
        a, b, c, d, e = 8, 16, 32, 64, 96
        layout: list[tuple[int | list[int], nn.Module]] = [
            (-1, Conv(3, a, 6, 2, 2)),
            (-1, Conv(a, b, 3, 2)),
            (-1, C3(b, b)),
            (-1, Conv(b, c, 3, 2)),
            (-1, C3(c, c)),
            (-1, Conv(c, d, 3, 2)),
            (-1, C3(d, d)),
            (-1, Conv(d, e, 3, 2)),
            (-1, C3(e, e)),
            (-1, SPPF(e, e)),
            (-1, Conv(e, d)),
            (-1, nn.Upsample(scale_factor=2.0, mode="nearest")),
            ([-1, 6], Concat()),
            (-1, C3(2 * d, d, False)),
            (-1, Conv(d, c)),
            (-1, nn.Upsample(scale_factor=2.0, mode="nearest")),
            ([-1, 4], Concat()),
            (-1, C3(2 * c, c, False)),
            (-1, Conv(c, c, 3, 2)),
            ([-1, 14], Concat()),
            (-1, C3(2 * c, d, False)),
            (-1, Conv(d, d, 3, 2)),
            ([-1, 10], Concat()),
            (-1, C3(2 * d, e, False)),
            ([17, 20, 23], Detect(len(names), (c, d, e))),
        ]
        self.save = [4, 6, 10, 14, 17, 20, 23]
        self.model = nn.Sequential(*(module for _, module in layout))
        for index, (source, module) in enumerate(layout):
            module.i, module.f = index, source  # type: ignore[assignment]
        self.names, self.nc, self.stride = list(names), len(names), torch.tensor(STRIDES, dtype=torch.float32)

    def forward(self, x: Tensor) -> list[Tensor]:
        y: Any = x
        kept: dict[int, Any] = {}
        for module in self.model:
            source: Any = module.f
            y = module([y if j == -1 else kept[j] for j in source] if isinstance(source, list) else y)
            if module.i in self.save:
                kept[module.i] = y  # type: ignore[index]
        return y  # type: ignore[no-any-return]


def save_classic(model: Model, path: Path) -> None:
    """Save as YOLOv5 does at the end of a training: the whole model, pickled, in FP16."""
    homes = {
        "models": (),
        "models.common": (Conv, Bottleneck, C3, SPPF, Concat),
        "models.yolo": (Detect, Model),
    }
    for home, kinds in homes.items():
        sys.modules[home] = ModuleType(home)
        for kind in kinds:
            kind.__module__ = home
            setattr(sys.modules[home], kind.__name__, kind)
    try:
        torch.save({"epoch": -1, "model": model.half().eval(), "ema": None, "optimizer": None}, path)
    finally:
        for home in homes:
            del sys.modules[home]
