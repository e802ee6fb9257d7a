"""An evaluation as text for a terminal."""

import unicodedata
from collections.abc import Sequence

import numpy as np

from entrypoint.evaluate.evaluation import Evaluation
from entrypoint.evaluate.yolov5way import Threshold

_SHOWN = 30
_NAME = 24


def as_text(evaluation: Evaluation) -> str:
    """Both ways of counting, the classes with the most objects, and what to know before the numbers are trusted."""
    numbers, yolov5 = evaluation.coco.numbers, evaluation.yolov5
    best = yolov5.best_of_all
    lines = [
        f"{len(evaluation.images)} images, {sum(len(image.objects) for image in evaluation.images)} objects.",
        f"COCO's way:      AP {_shown(numbers['AP'])}, AP at IoU 0.5 {_shown(numbers['AP50'])}, "
        f"small {_shown(numbers['APs'])}, medium {_shown(numbers['APm'])}, large {_shown(numbers['APl'])}",
        f"YOLOv5's val.py: mAP@.5:.95 {yolov5.map:.4f}, mAP@.5 {yolov5.map50:.4f}",
        "Best threshold:  " + (_described(best) if best else "none, for no detection is right"),
        "",
        *_classes(evaluation),
        *(f"Note: {warning}" for warning in evaluation.warnings),
    ]
    return "\n".join(lines) + "\n"


def _described(best: Threshold) -> str:
    return (
        f"--conf-thres {best.confidence:.3f}, where F1 is {best.f1:.3f}, precision {best.precision:.3f}, "
        f"recall {best.recall:.3f}"
    )


def _classes(evaluation: Evaluation) -> list[str]:
    counts = evaluation.objects_by_class
    rows = [("class", "objects", "AP", "AP50", "mAP@.5", "best conf", "F1")]
    ranked = [int(number) for number in np.argsort(-counts, kind="stable") if counts[number]]
    for number in ranked[:_SHOWN]:
        best = evaluation.yolov5.best[number]
        rows.append(
            (
                _short(evaluation.names[number]),
                str(counts[number]),
                _shown(evaluation.coco.ap[number]),
                _shown(evaluation.coco.ap50[number]),
                _shown(evaluation.yolov5.ap[number, 0]),
                f"{best.confidence:.3f}" if best else "-",
                f"{best.f1:.3f}" if best else "-",
            )
        )
    left_out = [f"and {len(ranked) - _SHOWN} classes more"] if len(ranked) > _SHOWN else []
    return [_row(row) for row in rows] + left_out


def _row(cells: Sequence[str]) -> str:
    name, *numbers = cells
    return name + " " * (_NAME - _columns(name)) + "".join(f"{number:>10}" for number in numbers)


def _short(name: str) -> str:
    """The name in at most _NAME columns of a terminal, in which some scripts take two for a letter."""
    plain = "".join(letter if letter.isprintable() else "?" for letter in name)
    while _columns(plain) > _NAME:
        plain = plain[:-1]
    return plain


def _columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _shown(value: float) -> str:
    return "-" if np.isnan(value) or value < 0 else f"{value:.4f}"
