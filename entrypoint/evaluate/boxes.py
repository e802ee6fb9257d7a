"""Geometry of boxes: arrays of xyxy in pixels."""

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float64]


def pairwise_iou(first: Boxes, second: Boxes) -> Boxes:
    """Intersection over union of each of `first` (n, 4) with each of `second` (m, 4), as (n, m)."""
    corner = np.maximum(first[:, None, :2], second[None, :, :2])
    opposite = np.minimum(first[:, None, 2:], second[None, :, 2:])
    overlap = np.clip(opposite - corner, 0, None).prod(2)
    union = areas(first)[:, None] + areas(second)[None] - overlap
    return np.asarray(np.divide(overlap, union, out=np.zeros_like(overlap), where=union > 0))


def areas(boxes: Boxes) -> Boxes:
    """The area of each of the boxes (n, 4), as (n,)."""
    return np.asarray((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
