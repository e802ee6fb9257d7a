"""Candidates to detections: class filter, non-maximum suppression. No clock: no image is cut short."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from entrypoint.models.graph import Graph, Node

# Boxes of different classes are moved apart by this much, more than any image is wide, so that one NMS serves all
# classes. detect.py's value: float32 rounds box coordinates at this offset, so parity wants the same one.
_CLASS_OFFSET = 7680
_MAX_CANDIDATES = 30_000
_FLOAT, _INT64 = 1, 7  # ONNX's numbers for types
Suppression: TypeAlias = Callable[[NDArray[np.float32], float, int], NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class NmsOptions:
    """detect.py's options; `classes` are ids to keep, None for all.

    `suppress`: whether there is NMS at all; a network that gives each object once needs none.
    """

    conf_thres: float = 0.25
    iou_thres: float = 0.45
    max_det: int = 1000
    classes: tuple[int, ...] | None = None
    agnostic: bool = False
    suppress: bool = True


def select(candidates: NDArray[np.float32], options: NmsOptions) -> NDArray[np.float32]:
    """Detections of one image by falling confidence, (m, 6): x1, y1, x2, y2, confidence, class.

    `candidates` (n, 6) are of the same kind, with more confidence than `conf_thres`. What is no box is left out.
    """
    found, boxes = candidates, candidates[:, :4]
    # FP16 can overflow; a box without coordinates is no detection.
    finite, upright = np.isfinite(boxes), boxes[:, :2] <= boxes[:, 2:]
    if not (finite.all() and upright.all()):
        found = found[finite.all(1) & upright.all(1)]
    if options.classes is not None:
        found = found[np.isin(found[:, 5], options.classes)]
    found = found[np.argsort(-found[:, 4], kind="stable")[:_MAX_CANDIDATES]]
    if not options.suppress:
        return found[: options.max_det]
    apart = found[:, :4] if options.agnostic else found[:, :4] + found[:, 5:] * np.float32(_CLASS_OFFSET)
    return found[suppression()(apart, options.iou_thres, options.max_det)]


@cache
def suppression() -> Suppression:
    """What gives the rows of boxes (n, 4), in the order of their confidences, that NMS leaves: at most so many.

    A box goes when its IoU with a better one that stays is above the threshold. ONNX Runtime's operator, where that is
    installed.
    """
    try:
        from entrypoint.engines.onnx import session
    except ImportError:
        return by_numpy
    operator = session(_graph(), threads=1)

    def by_onnx(boxes: NDArray[np.float32], threshold: float, most: int) -> NDArray[np.int64]:
        if not len(boxes):
            return np.empty(0, np.int64)
        # Ranks for scores: so ties cannot be broken otherwise.
        ranks = np.arange(len(boxes), 0, -1, dtype=np.float32)
        least = np.float32(threshold)
        if float(least) > threshold:  # the largest float32 that is not above it
            least = np.nextafter(least, np.float32(-np.inf))
        most = min(most, _MAX_CANDIDATES)
        inputs = {"boxes": boxes[None], "scores": ranks[None, None], "most": [most], "threshold": [least]}
        (found,) = operator.run(None, {name: np.asarray(values, np.float32) for name, values in inputs.items()})
        return found[:, 2].astype(np.int64)  # type: ignore[no-any-return]

    return by_onnx


def by_numpy(boxes: NDArray[np.float32], threshold: float, most: int) -> NDArray[np.int64]:
    """The same by the definition, in the same arithmetic."""
    x1, y1, x2, y2 = boxes.T
    left = np.arange(len(boxes))
    kept: list[int] = []
    with np.errstate(all="ignore"):  # huge boxes, and empty ones
        areas = (x2 - x1) * (y2 - y1)
        while len(left) and len(kept) < most:
            best, left = left[0], left[1:]
            kept.append(best)
            wide = (np.minimum(x2[best], x2[left]) - np.maximum(x1[best], x1[left])).clip(0)
            high = (np.minimum(y2[best], y2[left]) - np.maximum(y1[best], y1[left])).clip(0)
            shared = wide * high
            iou = shared / (areas[best] + areas[left] - shared)
            left = left[~(iou.astype(np.float64) > threshold)]
    return np.array(kept, np.int64)


def _graph() -> Graph:
    """The operator alone: everything float32, as graphs here have it."""
    graph = Graph({"boxes": (1, "boxes", 4), "scores": (1, 1, "boxes"), "most": (1,), "threshold": (1,)})
    graph.nodes = [
        Node("Cast", ("most",), ("count",), {"to": _INT64}),
        Node("NonMaxSuppression", ("boxes", "scores", "count", "threshold"), ("selected",)),
        Node("Cast", ("selected",), ("found",), {"to": _FLOAT}),
    ]
    graph.outputs = ["found"]
    return graph
