"""Predictions to detections: thresholds, class filter, non-maximum suppression. No clock: no image is cut short."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

# Boxes of different classes are moved apart by this much, more than any image is wide, so that one NMS serves all
# classes. detect.py's value: float32 rounds box coordinates at this offset, so parity wants the same one.
_CLASS_OFFSET = 7680
_MAX_CANDIDATES = 30_000


def _load_kernels() -> None:
    """Register torchvision's C++ and CUDA kernels alone: importing the package takes a second and 70 MB more."""
    package = importlib.util.find_spec("torchvision")
    if package is None or package.origin is None:
        raise ImportError("torchvision is not installed")
    torch.ops.load_library(Path(package.origin).parent / "_C.so")  # type: ignore[no-untyped-call]


_load_kernels()


@dataclass(frozen=True, slots=True)
class NmsOptions:
    """detect.py's options; `classes` are ids to keep, None for all."""

    conf_thres: float = 0.25
    iou_thres: float = 0.45
    max_det: int = 1000
    classes: tuple[int, ...] | None = None
    agnostic: bool = False


def select(prediction: Tensor, options: NmsOptions) -> Tensor:
    """Detections of one image, (n, 6) float32: x1, y1, x2, y2, confidence, class; by falling confidence.

    `prediction` is (N, 5 + classes): x, y centre, width, height, objectness, class scores. An anchor counts when
    objectness and objectness × best class score are both above `conf_thres`.
    """
    rows = prediction[prediction[:, 4] > options.conf_thres].float()
    confidence, class_id = (rows[:, 5:] * rows[:, 4:5]).max(1)
    # FP16 can overflow; a box without coordinates is no detection.
    keep = (confidence > options.conf_thres) & rows[:, :4].isfinite().all(1)
    if options.classes is not None:
        keep &= torch.isin(class_id, torch.tensor(options.classes, device=class_id.device))
    rows, confidence, class_id = rows[keep], confidence[keep], class_id[keep]
    order = confidence.argsort(descending=True, stable=True)[:_MAX_CANDIDATES]
    confidence, class_id = confidence[order], class_id[order]
    boxes = xywh_to_xyxy(rows[order, :4])
    apart = boxes if options.agnostic else boxes + (class_id * _CLASS_OFFSET)[:, None].float()
    kept = torch.ops.torchvision.nms(apart, confidence, options.iou_thres)[: options.max_det]
    return torch.cat((boxes[kept], confidence[kept, None], class_id[kept, None].float()), 1)


def xywh_to_xyxy(boxes: Tensor) -> Tensor:
    """(n, 4) centre and size to (n, 4) corners."""
    centre, half = boxes[:, :2], boxes[:, 2:] / 2
    return torch.cat((centre - half, centre + half), 1)
