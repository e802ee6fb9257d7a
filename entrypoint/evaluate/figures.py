"""What evaluation.json holds."""

from typing import Any

import numpy as np

from entrypoint.evaluate.evaluation import Evaluation
from entrypoint.evaluate.yolov5way import Threshold

_WORST = 100


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """What evaluation.json holds; null for what is not defined, as the precision of a class without objects."""
    coco, yolov5 = evaluation.coco, evaluation.yolov5
    return {
        "images": len(evaluation.images),
        "warnings": evaluation.warnings,
        "coco": {key: _defined(value) for key, value in coco.numbers.items()},
        "yolov5": {"mAP50": round(yolov5.map50, 6), "mAP50-95": round(yolov5.map, 6)},
        "best_threshold": _threshold(yolov5.best_of_all),
        "classes": [_class(evaluation, number, int(count)) for number, count in enumerate(evaluation.objects_by_class)],
        "confusion": {
            "rows": "truth, the last: none of the classes",
            "columns": "found, the last: nothing",
            "from_confidence": round(evaluation.threshold, 6),
            "matrix": coco.confusion(evaluation.threshold).tolist(),
        },
        "worst": [
            {
                "file": image.file,
                "right": int(image.mistakes.right.sum()),
                "wrong": int(image.mistakes.wrong.sum()),
                "missed": int(image.mistakes.missed.sum()),
            }
            for image in evaluation.worst[:_WORST]
        ],
    }


def _class(evaluation: Evaluation, number: int, count: int) -> dict[str, Any]:
    coco, yolov5 = evaluation.coco, evaluation.yolov5
    curve = coco.precision[:, number]
    return {
        "name": evaluation.names[number],
        "objects": count,
        "coco": {"AP": _defined(coco.ap[number]), "AP50": _defined(coco.ap50[number])},
        "yolov5": {"mAP50": _number(yolov5.ap[number, 0]), "mAP50-95": _number(yolov5.ap[number].mean())},
        "best_threshold": _threshold(yolov5.best[number]),
        "precision_at_recall": None if curve.min() < 0 else curve.round(4).tolist(),
    }


def _defined(value: float) -> float | None:
    return None if value < 0 else round(float(value), 6)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 6)


def _threshold(best: Threshold | None) -> dict[str, float] | None:
    if best is None:
        return None
    return {
        "confidence": round(best.confidence, 6),
        "f1": round(best.f1, 6),
        "precision": round(best.precision, 6),
        "recall": round(best.recall, 6),
    }
