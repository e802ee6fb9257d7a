"""A graph with what its family knows of its outputs written behind it, as the family's own export tool has it.

YOLOv5        (B, N, 5 + classes)   x, y centre, width, height in pixels, objectness, class scores
ultralytics   (B, 4 + classes, N)   x, y centre, width, height in pixels, class scores
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from entrypoint.errors import WeightsError
from entrypoint.models.graph import PIXELS, Graph, Node
from entrypoint.models.network import Network
from entrypoint.models.ultralytics.network import Ultralytics
from entrypoint.models.yolov5.network import YoloV5

INPUT, OUTPUT = "images", "output0"
_FLOAT = 1  # ONNX's number for float32


def decoded(network: Network, size: tuple[int, int] | None) -> Graph:
    """The graph for images of that (height, width), one at a time; None for any, and any number of them.

    Raises WeightsError for a head that has no such form.
    """
    shape: tuple[int | str, ...] = (1, 3, *size) if size else ("batch", 3, "height", "width")
    renamed = [
        Node(node.op, tuple(INPUT if name == PIXELS else name for name in node.inputs), node.outputs, node.attributes)
        for node in network.graph.nodes
    ]
    tail = _Tail(Graph({INPUT: shape}, renamed, dict(network.graph.constants), [OUTPUT]))
    outputs, count = network.graph.outputs, len(network.names)
    if isinstance(network, YoloV5):
        sizes, strides = network.head.anchors, network.head.strides
        rows = [
            tail.with_objectness(output, anchors, count, float(stride))
            for output, anchors, stride in zip(outputs, sizes, strides, strict=True)
        ]
        tail.name(tail.add("Concat", *rows, axis=1))
    elif isinstance(network, Ultralytics) and network.family.nms:
        bins = network.head.reg_max
        columns = [
            tail.by_class(output, bins, count, float(stride))
            for output, stride in zip(outputs, network.head.strides, strict=True)
        ]
        tail.name(tail.add("Concat", *columns, axis=2))
    else:
        raise WeightsError("weights whose head needs no NMS are not written as ONNX; use --to safe-pt")
    return tail.graph


class _Tail:
    """Nodes that are added to a graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def add(self, op: str, *inputs: str | NDArray[Any] | float, **attributes: Any) -> str:
        """An operation on values, or on numbers that become constants; its result's name."""
        result = f"tail_{len(self.graph.nodes)}"
        names = []
        for place, value in enumerate(inputs):
            name = value if isinstance(value, str) else f"{result}_{place}"
            if not isinstance(value, str):
                self.graph.constants[name] = np.asarray(value, None if isinstance(value, np.ndarray) else np.float32)
            names.append(name)
        self.graph.nodes.append(Node(op, tuple(names), (result,), attributes))
        return result

    def name(self, value: str) -> None:
        """Have a value be the output."""
        self.graph.nodes.append(Node("Identity", (value,), (OUTPUT,)))

    def reshaped(self, value: str, *shape: int) -> str:
        return self.add("Reshape", value, np.array(shape, np.int64))

    def part(self, value: str, start: int, stop: int, axis: int) -> str:
        return self.add("Slice", value, *(np.array([number], np.int64) for number in (start, stop, axis, 1)))

    def cells(self, output: str, shape: Sequence[int]) -> str:
        """Column and row of each cell of a map (B, C, H, W), in that shape, which has a 2 and a -1."""
        sides = self.add("Shape", output)
        lines = []
        for axis, place in ((3, (1, 1, 1, -1)), (2, (1, 1, -1, 1))):
            side = self.add("Gather", sides, np.array(axis, np.int64), axis=0)
            count = self.add("Range", np.array(0, np.int64), side, np.array(1, np.int64))
            lines.append(self.reshaped(self.add("Cast", count, to=_FLOAT), *place))
        columns, rows = lines
        whole = self.add(
            "Concat",
            self.add("Add", columns, self.add("Mul", rows, 0.0)),
            self.add("Add", rows, self.add("Mul", columns, 0.0)),
            axis=1,
        )
        return self.reshaped(whole, *shape)

    def with_objectness(self, output: str, anchors: NDArray[np.float32], count: int, stride: float) -> str:
        """One level of an anchor head; `anchors` (n, 2) in pixels."""
        values = 5 + count
        t = self.add("Sigmoid", self.reshaped(output, 0, len(anchors), values, -1))
        place = self.add("Add", self.cells(output, (1, 1, 2, -1)), -0.5)
        centre = self.add("Mul", self.add("Add", self.add("Mul", self.part(t, 0, 2, 2), 2.0), place), stride)
        twice = self.add("Mul", self.part(t, 2, 4, 2), 2.0)
        sides = self.add("Mul", self.add("Mul", twice, twice), anchors.reshape(1, -1, 2, 1))
        rows = self.add("Concat", centre, sides, self.part(t, 4, values, 2), axis=2)
        return self.reshaped(self.add("Transpose", rows, perm=(0, 1, 3, 2)), 0, -1, values)

    def by_class(self, output: str, bins: int, count: int, stride: float) -> str:
        """One level of a head without anchors."""
        flat = self.reshaped(output, 0, 1 + 4 * bins + count, -1)
        distances = self.part(flat, 1, 1 + 4 * bins, 1)
        if bins > 1:
            split = self.add("Transpose", self.reshaped(distances, 0, 4, bins, -1), perm=(0, 1, 3, 2))
            shares = self.add("Softmax", split, axis=-1)
            expected = self.add("MatMul", shares, np.arange(bins, dtype=np.float32)[:, None])
            distances = self.reshaped(expected, 0, 4, -1)
        centre = self.add("Add", self.cells(output, (1, 2, -1)), 0.5)
        start = self.add("Sub", centre, self.part(distances, 0, 2, 1))
        end = self.add("Add", centre, self.part(distances, 2, 4, 1))
        middle = self.add("Mul", self.add("Add", start, end), stride / 2)
        sides = self.add("Mul", self.add("Sub", end, start), stride)
        scores = self.add("Sigmoid", self.part(flat, 1 + 4 * bins, 1 + 4 * bins + count, 1))
        return self.add("Concat", middle, sides, scores, axis=1)
