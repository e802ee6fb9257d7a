"""The model of a classic YOLOv5 checkpoint, ready to run."""

from entrypoint.models.yolov5.network import YoloV5
from entrypoint.weights.classic.build import build_network
from entrypoint.weights.classic.pickled import Node
from entrypoint.weights.classnames import class_names


def network(model: Node, file_bytes: int) -> YoloV5:
    """The network of a model of YOLOv5 v1.0 to v7.0; `build_network` says what is raised."""
    graph, head, stride, classes, names = build_network(model, file_bytes)
    return YoloV5(graph, head, class_names(names, classes), stride)
