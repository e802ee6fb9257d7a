"""From the nodes of a classic YOLOv5 checkpoint to a graph that can run, checking every value on the way."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from entrypoint.errors import NotADetectorError
from entrypoint.models.graph import Graph, Value, Writer
from entrypoint.models.yolov5.head import Head
from entrypoint.models.yolov5.layers import chain
from entrypoint.weights.classic.layerbuilders import build_layer
from entrypoint.weights.classic.pickledmodule import Allowance, PickledModule
from entrypoint.weights.wiring import input_stride, strides_of, written

_OF_MANY = ("models.common.Concat",)
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
    root = PickledModule(model, "model", Allowance(file_bytes))
    modules = list(root.child("model").children())
    _refuse_other_tasks([root, *modules[-1:]])
    if not modules or modules[-1].name != "models.yolo.Detect":
        raise root.wrong("does not end in a detection head (models.yolo.Detect)")
    detect = modules.pop()
    strides = strides_of(detect if detect.optional_array("stride") is not None else root)
    stride, classes = input_stride(strides), detect.number("nc")
    anchors = _anchors(detect, len(strides), classes)
    layers = [build_layer(module) for module in modules]
    convolutions = _convolutions(detect, len(strides))
    writer = Writer(2 * stride)
    features = written(writer, modules, layers, _OF_MANY, detect)
    if not len(features) == len(convolutions) == len(strides):
        raise detect.wrong("has levels, anchors and strides that do not match")
    maps = [convolution(feature) for convolution, feature in zip(convolutions, features, strict=True)]
    channels = anchors.shape[1] * (5 + classes)
    if any(len(level.shape) != 4 or level.shape[1] != channels for level in maps):
        raise detect.wrong(f"has convolutions that do not give {channels} channels for {classes} classes")
    writer.graph.outputs = [level.name for level in maps]
    return writer.graph, Head(anchors, strides), stride, classes, root.value("names")


def _refuse_other_tasks(modules: list[PickledModule]) -> None:
    for module in modules:
        if module.name in _OTHER_TASKS:
            raise NotADetectorError(
                f"a YOLOv5 {_OTHER_TASKS[module.name]} checkpoint ({module.name}); expected a detection checkpoint, "
                "such as yolov5s.pt."
            )


def _convolutions(detect: PickledModule, levels: int) -> list[Callable[..., Value]]:
    """Those of the head, a level each. In v1.0 they stand among the layers before it, and it reads what they give."""
    if detect.has("m"):
        return [build_layer(module) for module in detect.child("m").children()]
    return [chain] * levels


def _anchors(module: PickledModule, levels: int, classes: int) -> NDArray[np.float32]:
    anchors = module.array("anchors", 3)
    if len(anchors) != levels or anchors.shape[2] != 2 or classes < 1:
        raise module.wrong("has levels, anchors and strides that do not match")
    if anchors.min(initial=0) < 0:  # YOLOv5's plans without anchors begin with 0, 1, 2, …
        raise module.wrong("has anchors that are no sizes of boxes: less than zero")
    return anchors
