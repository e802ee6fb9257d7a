"""evaluation.html: an evaluation as a page without scripts, the images with the most mistakes first."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import numpy as np

from entrypoint.evaluate.evaluation import Evaluation, Image
from entrypoint.results.imagenames import image_paths
from entrypoint.results.report.templating import environment, policy, source

_SHOWN = 60
_CLASSES = 80
_CONFUSED = 20


def page(evaluation: Evaluation, *, annotated: bool) -> bytes:
    """The page. With `annotated`, it shows the images that the run has left, which lie in images/ beside it."""
    style = source("report.css") + source("evaluation.css")
    text = (
        environment("entrypoint.evaluate")
        .get_template("evaluation.html")
        .render(
            policy=policy("", style),
            style=style,
            numbers=_numbers(evaluation),
            best=evaluation.yolov5.best_of_all,
            warnings=evaluation.warnings,
            classes=_classes(evaluation),
            curve=_curve(evaluation),
            confused=_confused(evaluation),
            worst=[_worst(image, evaluation.names, annotated) for image in evaluation.worst[:_SHOWN]],
            mistaken=len(evaluation.worst),
            images=len(evaluation.images),
            threshold=evaluation.threshold,
        )
    )
    return text.encode("utf-8", "backslashreplace")


def _numbers(evaluation: Evaluation) -> list[tuple[str, str, float | None]]:
    """Who counts so, what it is called there, and the number."""
    coco = evaluation.coco.numbers
    rows = [("COCO", key, coco[key]) for key in ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR100")]
    rows += [
        ("YOLOv5's val.py", "mAP@.5:.95", evaluation.yolov5.map),
        ("YOLOv5's val.py", "mAP@.5", evaluation.yolov5.map50),
    ]
    return [(who, name, None if value < 0 else value) for who, name, value in rows]


def _classes(evaluation: Evaluation) -> list[dict[str, Any]]:
    """The classes that have objects, those with most first."""
    counts = evaluation.objects_by_class
    ranked = [int(number) for number in np.argsort(-counts, kind="stable") if counts[number]]
    return [
        {
            "name": evaluation.names[number],
            "objects": int(counts[number]),
            "ap": max(0.0, float(evaluation.coco.ap[number])),
            "ap50": max(0.0, float(evaluation.coco.ap50[number])),
            "best": evaluation.yolov5.best[number],
        }
        for number in ranked[:_CLASSES]
    ]


def _curve(evaluation: Evaluation) -> str:
    """Precision against recall at IoU 0.5, the mean over the classes, in a square of 100; empty where there is none."""
    columns = evaluation.coco.precision[:, (evaluation.coco.precision >= 0).all(0)]
    if not columns.shape[1]:
        return ""
    return " ".join(f"{recall},{100 - 100 * precision:.2f}" for recall, precision in enumerate(columns.mean(1)))


def _confused(evaluation: Evaluation) -> list[tuple[str, str, int]]:
    """What is most often taken for what: a class of the truth, one that was found, and how often."""
    matrix = evaluation.coco.confusion(evaluation.threshold)
    names = (*evaluation.names, "nothing")
    pairs = [
        (int(matrix[row, column]), row, column)
        for row, column in zip(*np.nonzero(matrix), strict=True)
        if row != column
    ]
    pairs.sort(key=lambda pair: (-pair[0], pair[1:]))
    return [(names[row], names[column], count) for count, row, column in pairs[:_CONFUSED]]


def _worst(image: Image, names: Sequence[str], annotated: bool) -> dict[str, Any]:
    mistakes = image.mistakes
    return {
        "file": image.file,
        "link": quote(next(image_paths("images", image.file))[0]) if annotated and not image.is_frame else "",
        "width": image.width,
        "height": image.height,
        "wrong": _boxes(image.found.xyxy[mistakes.wrong], image.found.class_id[mistakes.wrong], names),
        "missed": _boxes(image.objects.xyxy[mistakes.missed], image.objects.class_id[mistakes.missed], names),
        "right": int(mistakes.right.sum()),
    }


def _boxes(xyxy: Any, class_id: Any, names: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {
            "x": round(x1, 1),
            "y": round(y1, 1),
            "width": round(x2 - x1, 1),
            "height": round(y2 - y1, 1),
            "name": names[kind],
        }
        for (x1, y1, x2, y2), kind in zip(xyxy.tolist(), class_id.tolist(), strict=True)
    ]
