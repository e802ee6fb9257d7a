"""Engines compute the same graph, in the order and company of any images, and within the memory there is."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from entrypoint.engines.onnx import OnnxEngine
from entrypoint.engines.operations import UnknownOperationError
from entrypoint.engines.protobuf import serialised
from entrypoint.engines.torch import TorchEngine
from entrypoint.host.device import CPU
from entrypoint.models import operations, windows
from entrypoint.models.graph import Graph, Node, Value
from entrypoint.sources.samples import DEMO_WEIGHTS
from entrypoint.weights.checkpoint import load_checkpoint
from tests.conftest import ROOT
from tests.graphs import graph_of, outputs


def test_a_model_is_what_the_onnx_package_calls_one() -> None:
    graph = load_checkpoint(DEMO_WEIGHTS).graph
    model = onnx.load_from_string(serialised(graph))
    onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    assert [node.op_type for node in model.graph.node] == [node.op for node in graph.nodes]
    for tensor in model.graph.initializer:
        np.testing.assert_array_equal(onnx.numpy_helper.to_array(tensor), graph.constants[tensor.name])


def test_a_value_that_others_read_too_is_not_overwritten() -> None:
    def layer(x: Value) -> Value:
        y = windows.convolution(x, np.ones((2, 2, 1, 1), np.float32), None)
        return operations.concat([operations.silu(y), y, operations.silu(x), x])

    x = torch.randn(1, 2, 4, 4)
    kept = x.clone()
    y = x.sum(1, keepdim=True).expand(1, 2, 4, 4)
    expected = torch.cat((torch.nn.functional.silu(y), y, torch.nn.functional.silu(x), x), 1)
    for found in outputs(graph_of(layer, 2, 32, 32), x).values():
        torch.testing.assert_close(torch.from_numpy(found), expected)
    assert torch.equal(x, kept)


def test_operations_that_pytorch_has_no_word_for_are_named() -> None:
    graph = Graph({"x": (1,)}, [Node("Loop", ("x",), ("y",)), Node("Scan", ("y",), ("z",))], {}, ["z"])
    with pytest.raises(UnknownOperationError, match="Loop, Scan"):
        TorchEngine(graph, CPU)


def test_results_depend_neither_on_threads_nor_on_the_batch() -> None:
    graph = load_checkpoint(DEMO_WEIGHTS).graph
    images = [np.random.default_rng(seed).integers(0, 256, (256, 320, 3), np.uint8) for seed in range(3)]
    one, two = OnnxEngine(graph, 1), OnnxEngine(graph, 2)
    together = one.run(one.upload(images))
    for number, image in enumerate(images):
        for engine in (one, two):
            for alone, batch in zip(engine.run(engine.upload([image])), together, strict=True):
                np.testing.assert_array_equal(alone[0], batch[number])


FULL = """
import re, resource, numpy
from pathlib import Path
from entrypoint.host.memory import is_out_of_memory
from entrypoint.engines.onnx import OnnxEngine
from entrypoint.sources.samples import DEMO_WEIGHTS
from entrypoint.weights.checkpoint import load_checkpoint
engine = OnnxEngine(load_checkpoint(DEMO_WEIGHTS).graph, 1)
pixels = numpy.zeros((1, 3, 2048, 2048), numpy.float32)
used = int(re.search(r"VmData:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024
resource.setrlimit(resource.RLIMIT_DATA, (used + (16 << 20), resource.RLIM_INFINITY))
try:
    engine.run(pixels)
except Exception as error:
    print(is_out_of_memory(error))
"""


def test_memory_that_is_out_is_said_as_such() -> None:
    ended = subprocess.run([sys.executable, "-c", FULL], capture_output=True, text=True, check=False, cwd=ROOT)
    assert ended.stdout == "True\n", ended.stderr


def test_engines_may_be_used_by_many_threads() -> None:
    graph = load_checkpoint(DEMO_WEIGHTS).graph
    images = [np.random.default_rng(seed).integers(0, 256, (256, 320, 3), np.uint8) for seed in range(8)]
    for engine in (OnnxEngine(graph, 1), TorchEngine(graph, CPU)):

        def look(image: np.ndarray) -> Any:
            return engine.run(engine.upload([image]))  # noqa: B023

        singly = [look(image) for image in images]
        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(look, images * 4))
        for number, found in enumerate(together):
            for one, other in zip(found, singly[number % 8], strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
