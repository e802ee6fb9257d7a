"""YOLOv5's own evaluation, that of its val.py: each detection goes to the object it overlaps most.

COCO lets the most confident detection choose first, among the objects that are still free. On the same boxes the two
differ by a few percent, so both are told, each by its name.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from entrypoint.evaluate.boxes import pairwise_iou
from entrypoint.evaluate.cocoway import Found
from entrypoint.evaluate.truth import Objects

IOUS = np.linspace(0.5, 0.95, 10)
_RECALLS = np.linspace(0, 1, 101)


@dataclass(frozen=True, slots=True)
class Threshold:
    """The least confidence at which F1 is highest, and what precision and recall are there."""

    confidence: float
    f1: float
    precision: float
    recall: float


@dataclass(frozen=True, slots=True)
class YoloWay:
    """`ap` (classes, 10) at IoU 0.5, 0.55, … 0.95, NaN for a class without objects; `best` for each class, or None."""

    ap: NDArray[np.float64]
    best: list[Threshold | None]
    best_of_all: Threshold | None

    @property
    def map50(self) -> float:
        """The mean over the classes that have objects, at IoU 0.5; 0 where none has."""
        return _mean(self.ap[:, 0])

    @property
    def map(self) -> float:
        """The mean over these classes and all IoUs."""
        return _mean(self.ap.mean(1))


def evaluate_as_yolov5(truth: Sequence[Objects], found: Sequence[Found], classes: int) -> YoloWay:
    """Both hold an entry for each image. Objects that stand for a crowd do not count, for YOLO's labels have none."""
    objects = [_without_crowds(one) for one in truth]
    right = [_matched(one, seen) for one, seen in zip(objects, found, strict=True)]
    correct = np.concatenate(right) if right else np.zeros((0, len(IOUS)), np.bool_)
    score = np.concatenate([one.score for one in found]) if found else np.zeros(0)
    kind = np.concatenate([one.class_id for one in found]) if found else np.zeros(0, np.int64)
    count = (
        np.bincount(np.concatenate([one.class_id for one in objects]), minlength=classes) if objects else np.zeros(0)
    )
    order = np.argsort(-score, kind="stable")
    correct, score, kind = correct[order], score[order], kind[order]
    ap = np.full((classes, len(IOUS)), np.nan)
    best: list[Threshold | None] = [None] * classes
    for class_id in np.flatnonzero(count):
        of_class = kind == class_id
        ap[class_id] = [
            _average_precision(correct[of_class, number], int(count[class_id])) for number in range(len(IOUS))
        ]
        best[class_id] = _best_threshold(correct[of_class, 0], score[of_class], int(count[class_id]))
    known = np.isin(kind, np.flatnonzero(count))
    return YoloWay(ap, best, _best_threshold(correct[known, 0], score[known], int(count.sum())))


def _without_crowds(objects: Objects) -> Objects:
    keep = ~objects.crowd
    return Objects(objects.xyxy[keep], objects.class_id[keep], objects.area[keep], objects.crowd[keep])


def _matched(objects: Objects, found: Found) -> NDArray[np.bool_]:
    """(n, 10): whether each detection is right, at each IoU.

    It goes to the object of its class that it overlaps most; of several that go to one, the most confident is right.
    """
    correct = np.zeros((len(found.score), len(IOUS)), np.bool_)
    if not len(objects) or not len(found.score):
        return correct
    iou = pairwise_iou(found.xyxy, objects.xyxy)
    iou[found.class_id[:, None] != objects.class_id[None]] = -1
    chosen, overlap = iou.argmax(1), iou.max(1)
    by_confidence = np.argsort(-found.score, kind="stable")
    for number, least in enumerate(IOUS):
        candidates = by_confidence[overlap[by_confidence] >= least]
        _, first = np.unique(chosen[candidates], return_index=True)
        correct[candidates[first], number] = True
    return correct


def _average_precision(correct: NDArray[np.bool_], count: int) -> float:
    """The area below precision against recall, at 101 recalls; `correct` by falling confidence, of `count` objects."""
    if not len(correct):
        return 0.0
    right = correct.cumsum()
    recall = np.concatenate([[0.0], right / count, [1.0]])
    precision = np.concatenate([[1.0], right / np.arange(1, len(correct) + 1), [0.0]])
    falling = np.flip(np.maximum.accumulate(np.flip(precision)))
    return float(np.trapezoid(np.interp(_RECALLS, recall, falling), _RECALLS))


def _best_threshold(correct: NDArray[np.bool_], score: NDArray[np.float64], count: int) -> Threshold | None:
    """By F1 at IoU 0.5, of all confidences that occur; None where nothing is right."""
    right = correct.cumsum()
    if not count or not len(right) or not right[-1]:
        return None
    seen = np.arange(1, len(right) + 1)
    f1 = 2 * right / (seen + count)
    # Detections of one confidence are kept or dropped together.
    f1[:-1][score[:-1] == score[1:]] = -1
    at = int(f1.argmax())
    return Threshold(float(score[at]), float(f1[at]), float(right[at] / seen[at]), float(right[at] / count))


def _mean(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else 0.0
