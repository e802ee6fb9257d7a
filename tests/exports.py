"""The demo's detector as the export tools write it: modules with the outputs of theirs, and files of those."""

import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import onnx
import torch
from torch import Tensor, nn
from torchvision.ops import nms

from entrypoint.sources.samples import DEMO_WEIGHTS
from scripts.training import network

os.environ.update(YOLO_OFFLINE="true")
SIDE = 320


class Decoded(nn.Module):
    """What YOLOv5's export.py makes of a model: (B, 3A, 5 + classes), xywh in pixels, objectness, class scores."""

    def __init__(self, model: network.Model) -> None:
        super().__init__()
        self.model = model.float().eval()

    def forward(self, x: Tensor) -> Tensor:
        levels = []
        detect: Any = self.model.model[-1]
        for number, level in enumerate(self.model(x)):
            batch, anchors, height, width, _ = level.shape
            stride = network.STRIDES[number]
            rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
            grid = torch.stack((columns, rows), 2).to(level.dtype) - 0.5
            sizes = (detect.anchors[number] * stride).view(1, anchors, 1, 1, 2).to(level.dtype)
            xy, wh, scores = level.sigmoid().split((2, 2, detect.nc + 1), 4)
            decoded = torch.cat(((xy * 2 + grid) * stride, (wh * 2) ** 2 * sizes, scores), 4)
            levels.append(decoded.view(batch, anchors * height * width, detect.no))
        return torch.cat(levels, 1)


class ByClass(Decoded):
    """The same in the layout of the ultralytics package: (B, 4 + classes, N), scores that need no objectness."""

    def forward(self, x: Tensor) -> Tensor:
        rows = super().forward(x)
        return torch.cat((rows[:, :, :4], rows[:, :, 4:5] * rows[:, :, 5:]), 2).transpose(1, 2)


class Suppressed(ByClass):
    """The same after NMS, as `nms=True` has it: (1, 100, 6), xyxy, confidence, class, the rest filled up with zeros."""

    def forward(self, x: Tensor) -> Tensor:
        rows = super().forward(x)[0].transpose(0, 1)
        scores, classes = rows[:, 4:].max(1)
        kept = scores > 0.25
        boxes, scores, classes = rows[kept, :4], scores[kept], classes[kept].to(rows.dtype)
        corners = torch.cat((boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2), 1)
        chosen = nms(corners + classes[:, None] * 7680, scores, 0.45)[:100]
        found = torch.cat((corners[chosen], scores[chosen, None], classes[chosen, None]), 1)
        return nn.functional.pad(found, (0, 0, 0, 100 - found.shape[0]))[None]


class Ranked(ByClass):
    """The same of a head that needs no NMS: (B, 300, 6), xyxy, confidence, class of the 300 best cells, however many
    there are.
    """

    def forward(self, x: Tensor) -> Tensor:
        rows = super().forward(x).transpose(1, 2)
        scores, classes = rows[:, :, 4:].max(2)
        best, place = scores.topk(300, 1)
        half = rows[:, :, 2:4] / 2
        corners = torch.cat((rows[:, :, :2] - half, rows[:, :, :2] + half), 2)
        chosen = corners.gather(1, place[:, :, None].repeat(1, 1, 4))
        return torch.cat((chosen, best[:, :, None], classes.gather(1, place)[:, :, None].to(rows.dtype)), 2)


def demo_model() -> network.Model:
    """The demo's weights as a module of PyTorch."""
    homes = {"models": ModuleType("models")}
    for home, kinds in {
        "models.common": (network.Conv, network.Bottleneck, network.C3, network.SPPF, network.Concat),
        "models.yolo": (network.Detect, network.Model),
    }.items():
        homes[home] = ModuleType(home)
        for kind in kinds:
            setattr(homes[home], kind.__name__, kind)
    with patch.dict(sys.modules, homes):
        content = torch.load(DEMO_WEIGHTS, weights_only=False)
    model: network.Model = content["model"]
    return model.float().eval()


@contextmanager
def silence() -> Iterator[None]:
    """Without the warnings of an exporter that is itself no longer the newest."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def export_onnx(
    module: nn.Module,
    path: Path,
    metadata: Mapping[str, object],
    *,
    dynamic: bool = False,
    half: bool = False,
    batch: int = 1,
    opset: int = 17,
) -> Path:
    """Write a module as both tools do: input `images`, output `output0`."""
    pixels = torch.zeros(batch, 3, SIDE, SIDE)
    axes = {"images": {0: "batch", 2: "height", 3: "width"}, "output0": {0: "batch", 1: "rows"}} if dynamic else None
    if half:
        module, pixels = module.half(), pixels.half()
    with silence(), torch.no_grad():
        torch.onnx.export(
            module,
            (pixels,),
            str(path),
            input_names=["images"],
            output_names=["output0"],
            opset_version=opset,
            dynamic_axes=axes,
            dynamo=False,
        )
    return described(path, metadata)


def described(path: Path, metadata: Mapping[str, object]) -> Path:
    """Write metadata into a file, as the tools do after the export."""
    model = onnx.load(str(path))
    for key, value in metadata.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, str(value)
    onnx.save(model, str(path))
    return path


YOLOV5 = {"stride": 32, "names": {0: "circle", 1: "square", 2: "triangle"}}
ULTRALYTICS: dict[str, object] = {
    **YOLOV5,
    "description": "Ultralytics YOLOv8n model",
    "author": "Ultralytics",
    "version": "8.4.190",
    "task": "detect",
    "batch": 1,
    "imgsz": [SIDE, SIDE],
}
