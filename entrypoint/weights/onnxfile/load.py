"""An ONNX file of an export tool, ready to run: what it gives, which classes it names, which images it takes."""

import ast
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from entrypoint.errors import NotADetectorError, WeightsError
from entrypoint.host import memory
from entrypoint.log import LOG
from entrypoint.models.exported import Exported, by_class, final
from entrypoint.models.graph import Graph
from entrypoint.models.network import YOLOV5, Family
from entrypoint.text import shown
from entrypoint.weights.classnames import class_names
from entrypoint.weights.onnxfile.extent import Extent
from entrypoint.weights.onnxfile.model import OnnxModel, read_model
from entrypoint.weights.onnxfile.outputs import EXPORT_AGAIN, find_layout

_LEAST_STRIDE, _MOST_STRIDE = 32, 256
_MOST_SIDE, _MOST_BATCH = 1 << 14, 1024
_MOST_NAMES = 1 << 18  # characters
_UNNAMED = 1000  # classes of final boxes, where nothing tells how many there are
_USUAL = (640, 640)
_OTHER_TASKS = {"classify": "classification", "obb": "oriented boxes", "semantic": "semantic segmentation"}
_BOXES_AND_MORE = {"segment": "masks", "pose": "keypoints"}


def load_onnx(path: Path) -> Exported:
    """The network in an ONNX file, of YOLOv5's export.py or the ultralytics package's, or with outputs as theirs.

    Nothing is computed but shapes. Raises WeightsError, or one of its kinds, with the path in the message; and what
    says that memory is out.
    """
    try:
        return network_of(read_model(path))
    except WeightsError as error:
        raise type(error)(shown(f"{path.name}: {error}")) from error
    except Exception as error:
        if memory.is_said(error):
            raise
        what = f"{type(error).__name__}: {str(error)[:200]}"
        raise WeightsError(shown(f"{path.name}: holds values that no export of a detector has ({what})")) from error


def network_of(model: OnnxModel) -> Exported:
    """The network that a model is. Raises NotADetectorError, UnsafeWeightsError."""
    said = model.metadata
    task = said.get("task") or ("detect" if said.get("author") == "Ultralytics" else None)
    if task is not None and task != "detect" and task not in _BOXES_AND_MORE:
        raise NotADetectorError(
            f"a model for {_OTHER_TASKS.get(task, task[:40])}; expected one that was trained for detection"
        )
    if task in _BOXES_AND_MORE:
        LOG.info("the weights are of a model that also finds %s; its boxes alone are used", _BOXES_AND_MORE[task])
    size, batch = _input(model.graph)
    stride = _stride(said)
    trial = size or (2 * (stride or _MOST_STRIDE), 3 * (stride or _MOST_STRIDE))
    extent = Extent(model.graph)
    shapes = extent.output_shapes((batch or 1, 3, *trial))
    names = names_of(said.get("names", ""))
    found = find_layout(shapes, trial, task, len(names) if names else None)
    model.graph.outputs = [model.graph.outputs[found.place]]
    classes = len(names) if found.layout is final and names else found.classes or _UNNAMED
    ultralytics = task is not None or found.layout is by_class
    imgsz, nms = size or _imgsz(said.get("imgsz", "")), found.layout is not final
    if ultralytics:
        family = Family("ultralytics", 0.7, 300, imgsz, whole_padding=True, nms=nms)
    else:
        family = replace(YOLOV5, imgsz=imgsz, nms=nms)
    return Exported(
        model.graph,
        found.layout,
        class_names(names, classes),
        stride or max(_LEAST_STRIDE, found.coarsest or 0),
        family,
        size=size,
        batch=batch,
        square=not ultralytics,
        check=extent.output_shapes if not size else None,
    )


def _input(graph: Graph) -> tuple[tuple[int, int] | None, int | None]:
    """The height and width that a graph takes, and how many images; None where it takes any."""
    if len(graph.inputs) != 1:
        raise NotADetectorError(f"takes {len(graph.inputs)} inputs, expected one: a batch of images")
    ((name, sides),) = graph.inputs.items()
    if graph.dtypes[name] not in ("<f4", "<f2"):
        raise NotADetectorError("takes numbers other than FP32 or FP16; expected images with values of 0 to 1")
    if len(sides) != 4 or sides[1] != 3:
        shown = " × ".join(str(side) if isinstance(side, int) else "?" for side in sides)
        raise NotADetectorError(f"takes an input of {shown}; expected images of 3 channels, B × 3 × H × W")
    batch, _, height, width = sides
    if isinstance(height, int) != isinstance(width, int):
        raise NotADetectorError(f"takes images with one side fixed and one that may vary; {EXPORT_AGAIN}")
    size = (height, width) if isinstance(height, int) and isinstance(width, int) else None
    if (size and max(size) > _MOST_SIDE) or (isinstance(batch, int) and batch > _MOST_BATCH):
        raise NotADetectorError(f"takes images of {' × '.join(map(str, sides))}")
    return size, batch if isinstance(batch, int) else None


def _stride(said: Mapping[str, str]) -> int | None:
    text = said.get("stride", "")
    number = int(float(text)) if text.replace(".", "", 1).isdecimal() and len(text) < 10 else 0
    return max(_LEAST_STRIDE, number) if 0 < number <= _MOST_STRIDE else None


def _imgsz(text: str) -> tuple[int, int]:
    """The height and width that the file was made for, as the ultralytics package notes it: `[640, 640]`."""
    found = literal(text[:100])
    if isinstance(found, list) and len(found) == 2 and all(type(side) is int and 0 < side < 1 << 14 for side in found):
        return found[0], found[1]
    return _USUAL


def names_of(text: str) -> dict[int, object]:
    """Class names by id, of a Python literal or JSON: a dict, whatever its order and with ids as numbers or text, or a
    list. Empty where it is neither.
    """
    found = literal(text)
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
