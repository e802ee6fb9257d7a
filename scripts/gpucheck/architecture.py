"""YOLOv5 v6 at each of its widths and depths with random weights: the speed of a network is that of its shape.

From the published architecture: five strided convolutions with cross-stage blocks between them, SPPF, a path back up
and one down again, and a head of three levels.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from entrypoint.models import operations as ops
from entrypoint.models import windows
from entrypoint.models.graph import Value, Writer
from entrypoint.models.network import Output
from entrypoint.models.yolov5 import layers
from entrypoint.models.yolov5.head import Head
from entrypoint.models.yolov5.network import YoloV5

SIZES = {"n": (0.33, 0.25), "s": (0.33, 0.50), "m": (0.67, 0.75), "l": (1.0, 1.0), "x": (1.33, 1.25)}
"""Depth and width of each, as multiples of yolov5l's."""
_CLASSES = 80
_STRIDES = (8, 16, 32)
_ANCHORS = (  # width and height in pixels, three for each level
    ((10, 13), (16, 30), (33, 23)),
    ((30, 61), (62, 45), (59, 119)),
    ((116, 90), (156, 198), (373, 326)),
)
_OBJECTNESS = 4
# Of the logits over the cells of an image, so that some ten to twenty are above the usual threshold.
_SPREAD, _OBJECTNESS_BIAS = 1.4, -5.7


def random_network(size: str, classes: int = _CLASSES, seed: int = 0) -> YoloV5:
    """The network of one of the `SIZES`; the same seed gives the same weights. It finds nothing in particular."""
    depth, width = SIZES[size]
    levels = _Builder(depth, width, np.random.default_rng(seed)).levels(classes)
    graph = levels[0].writer.graph
    graph.outputs = [level.name for level in levels]
    strides = np.array(_STRIDES, np.float32)
    anchors = np.array(_ANCHORS, np.float32) / strides[:, None, None]
    return YoloV5(graph, Head(anchors, strides), tuple(f"class{number}" for number in range(classes)), max(_STRIDES))


def find_boxes(network: YoloV5, outputs: Sequence[Output]) -> None:
    """Scale the head so that it finds boxes in an image, of which these are the outputs; without, it finds none."""
    nodes = {node.outputs[0]: node for node in network.graph.nodes}
    for name, output in zip(network.graph.outputs, outputs, strict=True):
        _, weight, bias = nodes[name].inputs
        constants = network.graph.constants
        values = np.asarray(output, np.float32)[0].reshape(len(constants[bias]), -1) - constants[bias][:, None]
        scale = _SPREAD / np.maximum(values.std(1), 1e-9)
        constants[weight] = constants[weight] * scale[:, None, None, None].astype(np.float32)
        constants[bias] = (constants[bias] - values.mean(1) * scale).astype(np.float32)


class _Builder:
    """Writes the layers, all of whose channels and repeats are those of yolov5l times `width` and `depth`."""

    def __init__(self, depth: float, width: float, numbers: np.random.Generator) -> None:
        self._depth, self._width, self._numbers = depth, width, numbers

    def levels(self, classes: int) -> list[Value]:
        """The maps of the head, finest first."""
        x = self._conv(Writer(2 * max(_STRIDES)).pixels, 64, 6, 2)
        seen: dict[int, Value] = {}
        for channels, repeats in ((128, 3), (256, 6), (512, 9), (1024, 3)):
            seen[channels] = x = self._c3(self._conv(x, channels, 3, 2), channels, repeats, shortcut=True)
        coarse = self._conv(self._sppf(x), 512)
        middle = self._conv(self._merged(windows.upsample(coarse, 2), seen[512], 512), 256)
        found = [self._merged(windows.upsample(middle, 2), seen[256], 256)]
        found.append(self._merged(self._conv(found[-1], 256, 3, 2), middle, 512))
        found.append(self._merged(self._conv(found[-1], 512, 3, 2), coarse, 1024))
        return [self._head(x, classes) for x in found]

    def _merged(self, x: Value, other: Value, channels: int) -> Value:
        return self._c3(ops.concat([x, other]), channels, 3, shortcut=False)

    def _c3(self, x: Value, channels: int, repeats: int, *, shortcut: bool) -> Value:
        def inner(y: Value) -> Value:
            for _ in range(max(1, round(repeats * self._depth))):
                y = layers.bottleneck(y, self._layer(channels / 2, 1), self._layer(channels / 2, 3), shortcut)
            return y

        half = self._layer(channels / 2)
        return layers.c3(x, half, self._layer(channels / 2), self._layer(channels), inner)

    def _sppf(self, x: Value) -> Value:
        pool: Callable[[Value], Value] = lambda y: windows.max_pool(y, (5, 5), (1, 1), (2, 2))  # noqa: E731
        return layers.sppf(x, self._layer(512), self._layer(1024), pool)

    def _layer(self, channels: float, kernel: int = 1) -> Callable[[Value], Value]:
        return lambda x: self._conv(x, channels, kernel)

    def _conv(self, x: Value, channels: float, kernel: int = 1, stride: int = 1) -> Value:
        made = math.ceil(channels * self._width / 8) * 8
        weight = self._weight(made, x.shape[1], kernel)
        padding = 2 if kernel == 6 else kernel // 2
        pads = (padding, padding)
        return ops.silu(windows.convolution(x, weight, np.zeros(made, np.float32), (stride, stride), pads))

    def _head(self, x: Value, classes: int) -> Value:
        """Objectness that almost no cell has, and then one class or another."""
        bias = np.full((len(_ANCHORS[0]), 5 + classes), 2.0, np.float32)
        bias[:, :_OBJECTNESS], bias[:, _OBJECTNESS] = 0.0, _OBJECTNESS_BIAS
        return windows.convolution(x, self._weight(bias.size, x.shape[1], 1), bias.reshape(-1))

    def _weight(self, made: int, taken: int, kernel: int) -> NDArray[np.float32]:
        """Such that values neither vanish nor grow from layer to layer."""
        values = self._numbers.standard_normal((made, taken, kernel, kernel), np.float32)
        return values * np.float32(math.sqrt(2 / (taken * kernel**2)))
