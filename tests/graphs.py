"""Graphs of a few layers, and what each engine makes of an input."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from entrypoint.engines.base import Engine
from entrypoint.engines.onnx import OnnxEngine
from entrypoint.engines.torch import TorchEngine
from entrypoint.host.device import CPU
from entrypoint.models.graph import PIXELS, Graph, Value, Writer

ENGINES: dict[str, Callable[[Graph], Engine]] = {
    "onnx": lambda graph: OnnxEngine(graph, 1),
    "onnx, every optimisation off": lambda graph: OnnxEngine(graph, 1, optimised=False),
    "torch": lambda graph: TorchEngine(graph, CPU),
}


def graph_of(layer: Callable[[Value], Value], *shape: int) -> Graph:
    """A graph of one layer; `shape` (C, H, W) of the input for which its shapes are followed."""
    writer = Writer(32)
    writer.graph.inputs = {PIXELS: ("batch", shape[0], "height", "width")}
    writer.graph.outputs = [layer(Value(writer, PIXELS, (1, *shape))).name]
    return writer.graph


def outputs(graph: Graph, x: Tensor) -> dict[str, NDArray[np.float32]]:
    """What each engine gives for an input."""
    return {name: np.asarray(make(graph).run(x.numpy())[0]) for name, make in ENGINES.items()}
