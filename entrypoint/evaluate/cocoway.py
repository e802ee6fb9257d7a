"""COCO's evaluation, by hotcoco: the twelve numbers, precision against recall, confusion, errors by image."""

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass

import hotcoco
import numpy as np
from numpy.typing import NDArray

from entrypoint.evaluate.boxes import Boxes
from entrypoint.evaluate.truth import Objects

KEYS = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
"""COCO's twelve numbers in its order, the size of objects in small letters: `APs` is for objects below 32² pixels."""


@dataclass(frozen=True, slots=True)
class Found:
    """What was detected in one image: `xyxy` (n, 4) pixels, `score` (n,), `class_id` (n,) in the truth's numbers."""

    xyxy: Boxes
    score: NDArray[np.float64]
    class_id: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Mistakes:
    """`right` and `wrong` (n,) bool of the detections of an image, neither of one that is not certain enough; `missed`
    (m,) bool of its objects.
    """

    right: NDArray[np.bool_]
    wrong: NDArray[np.bool_]
    missed: NDArray[np.bool_]

    def __len__(self) -> int:
        return int(self.wrong.sum() + self.missed.sum())


@dataclass(frozen=True, slots=True)
class CocoWay:
    """`numbers`: the twelve, -1 where there is no such object. `ap` and `ap50` (classes,), -1 for one without objects.

    `precision` (101, classes) at IoU 0.5, for recalls 0, 0.01, … 1.
    """

    numbers: dict[str, float]
    ap: NDArray[np.float64]
    ap50: NDArray[np.float64]
    precision: NDArray[np.float64]
    _counts: list[tuple[int, int]]
    _evaluation: hotcoco.COCOeval

    def confusion(self, least_score: float) -> NDArray[np.int64]:
        """(classes + 1, classes + 1): rows are what is there, columns what was found, the last of each is nothing."""
        return np.asarray(self._evaluation.confusion_matrix(min_score=least_score)["matrix"], np.int64)

    def mistakes(self, least_score: float) -> list[Mistakes]:
        """Of each image, at IoU 0.5."""
        found = self._evaluation.image_diagnostics(score_thr=least_score)
        of_detection, of_object = found["dt_status"], found["gt_status"]
        mistakes, detection, object_ = [], 0, 0
        for detections, objects in self._counts:
            verdicts = np.array([of_detection.get(detection + number, "") for number in range(1, detections + 1)], "U4")
            missed = np.array([of_object.get(object_ + number) == "fn" for number in range(1, objects + 1)], np.bool_)
            mistakes.append(Mistakes(verdicts == "tp", verdicts == "fp", missed))
            detection, object_ = detection + detections, object_ + objects
        return mistakes


def evaluate_as_coco(truth: Sequence[Objects], found: Sequence[Found], names: Sequence[str]) -> CocoWay:
    """Both hold an entry for each image; at most 100 detections of each image count, as everywhere in COCO."""
    images = [{"id": number, "width": 1, "height": 1, "file_name": str(number)} for number in range(1, len(truth) + 1)]
    # Ids from 1: an annotation of the id 0 counts as not matched.
    categories = [{"id": number, "name": f"{number}"} for number in range(1, len(names) + 1)]
    boxes = np.concatenate([one.xyxy for one in truth]) if truth else np.zeros((0, 4))
    with contextlib.redirect_stdout(io.StringIO()):
        real = hotcoco.COCO.from_arrays(
            images,
            categories,
            _numbers(truth),
            np.concatenate([one.class_id for one in truth]) + 1,
            np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]]),
            area=np.concatenate([one.area for one in truth]),
            iscrowd=np.concatenate([one.crowd for one in truth]),
        )
        evaluation = hotcoco.COCOeval(real, real.load_res(_results(found)), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    tables = evaluation.eval or {}
    precision = np.asarray(tables["precision"])[:, :, :, 0, -1]  # IoU, recall, class; all sizes, 100 detections
    counts = [(len(seen.score), len(there)) for seen, there in zip(found, truth, strict=True)]
    numbers = dict(zip(KEYS, map(float, evaluation.stats), strict=True))
    return CocoWay(numbers, _mean(precision), _mean(precision[:1]), precision[0], counts, evaluation)


def _numbers(images: Sequence[Objects]) -> NDArray[np.int64]:
    return np.repeat(np.arange(1, len(images) + 1), [len(one) for one in images])


def _results(found: Sequence[Found]) -> NDArray[np.float64]:
    """(n, 7): image, x, y, width, height, score, category."""
    rows = [
        np.column_stack(
            [
                np.full(len(one.score), number, np.float64),
                one.xyxy[:, :2],
                one.xyxy[:, 2:] - one.xyxy[:, :2],
                one.score,
                one.class_id + 1,
            ]
        )
        for number, one in enumerate(found, 1)
    ]
    return np.concatenate(rows) if rows else np.zeros((0, 7))


def _mean(precision: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean over IoU and recall for each class; -1 for a class that has no objects."""
    return np.where((precision > -1).all((0, 1)), precision.mean((0, 1)), -1.0)
