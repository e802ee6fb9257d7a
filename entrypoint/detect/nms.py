"""Predictions to detections: thresholds, class filter, non-maximum suppression. No clock: no image is cut short."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# Boxes of different classes are moved apart by this much, more than any image is wide, so that one NMS serves all
# classes. detect.py's value: float32 rounds box coordinates at this offset, so parity wants the same one.
_CLASS_OFFSET = 7680
_MAX_CANDIDATES = 30_000


def _load_nms() -> Callable[[Tensor, Tensor, float], Tensor]:
    """NMS of torchvision's C++ and CUDA kernels, alone: importing the package takes a second and 70 MB more."""
    package = importlib.util.find_spec("torchvision")
    if package is None or package.origin is None:
        raise ImportError("torchvision is not installed")
    torch.ops.load_library(Path(package.origin).parent / "_C.so")  # type: ignore[no-untyped-call]
    return torch.ops.torchvision.nms.default


_nms = _load_nms()


@dataclass(frozen=True, slots=True)
class NmsOptions:
    """detect.py's options; `classes` are ids to keep, None for all."""

    conf_thres: float = 0.25
    iou_thres: float = 0.45
    max_det: int = 1000
    classes: tuple[int, ...] | None = None
    agnostic: bool = False


def select(rows: NDArray[np.float32], options: NmsOptions) -> NDArray[np.float32]:
    """Detections of one image by falling confidence, (m, 6): x1, y1, x2, y2, confidence, class.

    `rows` (n, 5 + classes) are predictions as `model.head.Detect.decode` gives them with `conf_thres`: one counts when
    objectness and objectness × best class score are both above it.
    """
    scores = rows[:, 5:] * rows[:, 4:5]
    confidence = scores.max(1)
    # FP16 can overflow; a box without coordinates is no detection.
    keep = (confidence > options.conf_thres) & np.isfinite(rows[:, :4]).all(1)
    class_id = scores.argmax(1)
    if options.classes is not None:
        keep &= np.isin(class_id, options.classes)
    kept = np.flatnonzero(keep)
    kept = kept[np.argsort(-confidence[kept], kind="stable")[:_MAX_CANDIDATES]]
    found = np.empty((len(kept), 6), np.float32)
    found[:, :4], found[:, 4], found[:, 5] = xywh_to_xyxy(rows[kept, :4]), confidence[kept], class_id[kept]
    apart = found[:, :4] if options.agnostic else found[:, :4] + found[:, 5:] * np.float32(_CLASS_OFFSET)
    best = _nms(torch.from_numpy(apart), torch.from_numpy(found[:, 4]), options.iou_thres).numpy()
    detections: NDArray[np.float32] = found[best[: options.max_det]]
    return detections


def xywh_to_xyxy(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, 4) centre and size to (n, 4) corners."""
    centre, half = boxes[:, :2], boxes[:, 2:] / 2
    return np.concatenate((centre - half, centre + half), 1)
