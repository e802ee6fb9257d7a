"""What export tools note in a file beside the network: classes, stride, sizes, task. Parsed, and never evaluated."""

import ast
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from entrypoint.errors import NotADetectorError
from entrypoint.log import LOG
from entrypoint.models.network import YOLOV5, Family

LEAST_STRIDE, MOST_STRIDE = 32, 256
USUAL_SIZE = (640, 640)
MOST_BATCH = 1024
_MOST_SIDE = 1 << 14
_MOST_NAMES = 1 << 18  # characters
_OTHER_TASKS = {"classify": "classification", "obb": "oriented boxes", "semantic": "semantic segmentation"}
_BOXES_AND_MORE = {"segment": "masks", "pose": "keypoints"}


def task_of(notes: Mapping[str, Any]) -> str | None:
    """The task as the ultralytics package names it: one whose output holds boxes; None in files of other tools.

    Raises NotADetectorError for another task.
    """
    task = notes.get("task") or ("detect" if notes.get("author") == "Ultralytics" else None)
    if task is None or task == "detect":
        return task
    if task not in _BOXES_AND_MORE:
        raise NotADetectorError(
            f"a model for {_OTHER_TASKS.get(task, str(task)[:40])}; expected one that was trained for detection"
        )
    LOG.info("the weights are of a model that also finds %s; its boxes alone are used", _BOXES_AND_MORE[task])
    return str(task)


def stride_of(notes: Mapping[str, Any]) -> int | None:
    """The stride that images are padded to, as far as the file tells."""
    text = str(notes.get("stride", ""))[:20]
    number = int(float(text)) if text.replace(".", "", 1).isdecimal() and len(text) < 10 else 0
    return max(LEAST_STRIDE, number) if 0 < number <= MOST_STRIDE else None


def size_of(found: object) -> tuple[int, int] | None:
    """A height and a width, of a list of two numbers."""
    sides = literal(found[:100]) if isinstance(found, str) else found
    if not isinstance(sides, list) or len(sides) != 2:
        return None
    return (sides[0], sides[1]) if all(type(side) is int and 0 < side <= _MOST_SIDE for side in sides) else None


def batch_of(notes: Mapping[str, Any]) -> int | None:
    """How many images an export after NMS takes at once: those that its NMS was unrolled for; None where any number.

    Such a file gives nothing for images beyond those, whatever number its input has. Raises NotADetectorError for a
    number that no export has.
    """
    found = notes.get("args")
    options = literal(found) if isinstance(found, str) else found
    if not isinstance(options, Mapping) or options.get("nms") is not True:
        return None
    said = notes.get("batch", 1)
    batch = literal(said[:20]) if isinstance(said, str) else said
    if type(batch) is not int or not 0 < batch <= MOST_BATCH:
        raise NotADetectorError(f"says that it takes {str(said)[:40]} images at once")
    return batch


def family_of(ultralytics: bool, imgsz: tuple[int, int], nms: bool) -> Family:
    """What the tool that made the file does by default; `nms`: whether that is still to be done."""
    if ultralytics:
        return Family("ultralytics", 0.7, 300, imgsz, whole_padding=True, nms=nms)
    return replace(YOLOV5, imgsz=imgsz, nms=nms)


def names_of(found: object) -> dict[int, object]:
    """Class names by id, of a dict, whatever its order and with ids as numbers or text, or of a list; or of the text of
    one. Empty where it is neither.
    """
    if isinstance(found, str):
        found = literal(found)
    if isinstance(found, (list, tuple)):
        found = dict(enumerate(found))
    if not isinstance(found, dict):
        return {}
    named: dict[int, object] = {}
    for key, name in found.items():
        number = int(key) if isinstance(key, str) and key.isdecimal() and len(key) < 6 else key
        if type(number) is int and 0 <= number < 1 << 16:
            named[number] = name
    return named if len(named) == len(found) and max(named, default=0) < 2 * len(named) + 1000 else {}


def literal(text: str) -> object:
    """The value of a Python literal, which is parsed and never evaluated; None for anything else."""
    if len(text) > _MOST_NAMES:
        return None
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
