"""From the nodes of a classic YOLOv5 checkpoint to a graph that can run, checking every value on the way."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from entrypoint.errors import NotADetectorError
from entrypoint.models.graph import Graph, Value, Writer
from entrypoint.models.yolov5.head import Head
from entrypoint.weights.classic.layerbuilders import build_layer
from entrypoint.weights.classic.part import Allowance, Part, shown

# detect.py pads to multiples of at least this: a head may end before the coarsest of the layers it draws on.
_LEAST_STRIDE = 32
_MAX_SOURCES = 32
_OF_MANY = ("models.common.Concat", "models.yolo.Detect")
_OTHER_TASKS = {
    "models.yolo.SegmentationModel": "segmentation",
    "models.yolo.Segment": "segmentation",
    "models.yolo.ClassificationModel": "classification",
    "models.common.Classify": "classification",
}


def build_network(model: object, file_bytes: int) -> tuple[Graph, Head, int, int, object]:
    """The graph of a pickled `models.yolo.Model` or `DetectionModel`, its head, its stride, and its classes: how many,
    and their names as they stand there.

    Batch norms are folded into convolutions. `file_bytes`, the size of the checkpoint, bounds the network's.
    Raises NotADetectorError for a model of another task, WeightsError for values no real checkpoint has.
    """
    root = Part(model, "model", Allowance(file_bytes))
    parts = list(root.child("model").children())
    _refuse_other_tasks([root, *parts[-1:]])
    if not parts or parts[-1].name != "models.yolo.Detect":
        raise root.wrong("does not end in a detection head (models.yolo.Detect)")
    detect = parts.pop()
    strides = _strides(detect if detect.optional_array("stride") is not None else root)
    stride, classes = max(_LEAST_STRIDE, int(strides.max())), detect.number("nc")
    anchors = _anchors(detect, len(strides), classes)
    layers = [build_layer(part) for part in parts]
    convolutions = [build_layer(part) for part in detect.child("m").children()]
    writer = Writer(2 * stride)
    values = [writer.pixels]  # of the input, and of each layer
    for position, (part, layer) in enumerate(zip(parts, layers, strict=True)):
        found = _sources(part, position, values)
        values.append(layer(found) if part.name in _OF_MANY else layer(*found))
    features = _sources(detect, len(parts), values)
    if not len(features) == len(convolutions) == len(strides):
        raise detect.wrong("has levels, anchors and strides that do not match")
    maps = [convolution(feature) for convolution, feature in zip(convolutions, features, strict=True)]
    channels = anchors.shape[1] * (5 + classes)
    if any(len(level.shape) != 4 or level.shape[1] != channels for level in maps):
        raise detect.wrong(f"has convolutions that do not give {channels} channels for {classes} classes")
    writer.graph.outputs = [level.name for level in maps]
    return writer.graph, Head(anchors, strides), stride, classes, root.value("names")


def _refuse_other_tasks(parts: list[Part]) -> None:
    for part in parts:
        if part.name in _OTHER_TASKS:
            raise NotADetectorError(
                f"a YOLOv5 {_OTHER_TASKS[part.name]} checkpoint ({part.name}); expected a detection checkpoint, "
                "such as yolov5s.pt."
            )


def _sources(part: Part, position: int, values: Sequence[Value]) -> list[Value]:
    """What a layer reads: by index, -1 for the one just before. `values` begin with the input."""
    source = part.value("f")
    many = isinstance(source, (list, tuple))
    if many and not 1 <= len(source) <= _MAX_SOURCES:
        raise part.wrong(f"reads from {len(source)} layers, expected at most {_MAX_SOURCES}")
    indices = tuple(source) if many else (source,)
    for index in indices:
        if not isinstance(index, int) or not (index == -1 or -position <= index < position):
            raise part.wrong(f"reads from layer {shown(index)}, which is not before it")
    if len(indices) != 1 and part.name not in _OF_MANY:
        raise part.wrong(f"reads from {len(indices)} layers, expected one")
    return [values[-1] if index == -1 else values[1 + index % position] for index in indices]


def _strides(part: Part) -> NDArray[np.float32]:
    strides = part.array("stride", 1)
    whole = strides.round()
    if not 1 <= len(strides) <= 8 or not ((strides == whole) & (whole >= 1) & (whole <= 1024)).all():
        raise part.wrong(f"has strides {str(strides.tolist())[:80]}, expected whole pixels from 1 to 1024")
    if any(int(strides.max()) % int(stride) for stride in strides):
        raise part.wrong(f"has strides {strides.tolist()}, of which the largest is no multiple of the others")
    return strides


def _anchors(part: Part, levels: int, classes: int) -> NDArray[np.float32]:
    anchors = part.array("anchors", 3)
    if len(anchors) != levels or anchors.shape[2] != 2 or classes < 1:
        raise part.wrong("has levels, anchors and strides that do not match")
    if anchors.min(initial=1) <= 0:
        raise part.wrong("has anchors that are no sizes of boxes: zero or less")
    return anchors
