"""Whatever bytes an ONNX file is made of, reading it ends in a network or a refusal, soon."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from entrypoint.errors import WeightsError
from entrypoint.models.graph import Graph, Node
from entrypoint.weights.onnxfile.extent import OPERATIONS, Extent
from entrypoint.weights.onnxfile.load import load_onnx, network_of
from entrypoint.weights.onnxfile.model import parse_model
from tests.weights.hostile.graphs import graphs


def honest() -> bytes:
    """A detector of one convolution, whose output is laid out as YOLOv5's: 3 × 84 rows for 64 × 64 pixels."""
    numbers = np.random.default_rng(0)
    weight = numbers.normal(0, 0.1, (63 * 8, 3, 8, 8)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["images", "w"], ["a"], strides=[8, 8]),
        helper.make_node("Reshape", ["a", "shape"], ["b"]),
        helper.make_node("Slice", ["b", "start", "end", "axis"], ["c"]),
        helper.make_node("Sigmoid", ["c"], ["output0"]),
    ]
    constants = [helper.make_tensor("w", TensorProto.FLOAT, weight.shape, weight.tobytes(), raw=True)]
    for name, values in {"shape": [1, -1, 8], "start": [0], "end": [252], "axis": [1]}.items():
        constants.append(helper.make_tensor(name, TensorProto.INT64, [len(values)], values))
    pixels = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 64, 64])
    out = helper.make_tensor_value_info("output0", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "g", [pixels], [out], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    entry = model.metadata_props.add()
    entry.key, entry.value = "names", "{0: 'a', 1: 'b', 2: 'c'}"
    return model.SerializeToString()  # type: ignore[no-any-return]


HONEST = honest()
SEEDS = [HONEST, *(data for data in graphs().values() if len(data) < 2000)]


def ends_well(data: bytes, path: Path) -> None:
    path.write_bytes(data)
    start = time.process_time()
    try:
        network = load_onnx(path)
        assert network.names and network.graph.outputs
    except WeightsError as error:
        assert str(error).isprintable()
    assert time.process_time() - start < 1


def test_the_honest_one_is_a_detector() -> None:
    network = network_of(parse_model(memoryview(HONEST)))
    assert network.names == ("a", "b", "c") and network.size == (64, 64)


@settings(max_examples=400)
@given(
    st.sampled_from(SEEDS), st.lists(st.tuples(st.integers(0, 1 << 20), st.binary(min_size=1, max_size=6)), max_size=4)
)
def test_bytes_overwritten(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, changes: list[tuple[int, bytes]]
) -> None:
    changed = bytearray(data)
    for place, values in changes:
        at = place % len(changed)
        changed[at : at + len(values)] = values
    ends_well(bytes(changed), tmp_path_factory.getbasetemp() / "fuzzed")


@settings(max_examples=200)
@given(st.sampled_from(SEEDS), st.integers(0, 1 << 20), st.integers(0, 1 << 20))
def test_bytes_left_out(tmp_path_factory: pytest.TempPathFactory, data: bytes, start: int, length: int) -> None:
    start %= len(data)
    ends_well(
        data[:start] + data[start + length % (len(data) - start + 1) :], tmp_path_factory.getbasetemp() / "fuzzed"
    )


ATTRIBUTE = st.one_of(
    st.integers(-(1 << 40), 1 << 40),
    st.floats(width=32),
    st.text(max_size=5),
    st.lists(st.integers(-9, 9), max_size=5).map(tuple),
)
NAMES = (
    "axis",
    "axes",
    "pads",
    "strides",
    "kernel_shape",
    "group",
    "perm",
    "to",
    "value",
    "blocksize",
    "keepdims",
    "split",
)
VALUES = st.sampled_from(["images", "one", "many", "float", "none", ""])


@settings(max_examples=400)
@given(
    st.sampled_from(sorted(OPERATIONS)),
    st.lists(VALUES, max_size=5),
    st.dictionaries(st.sampled_from(NAMES), ATTRIBUTE),
)
def test_any_operation_with_any_inputs_has_a_size_or_is_refused(
    op: str, inputs: list[str], attributes: dict[str, object]
) -> None:

    graph = Graph({"images": (1, 3, 64, 64)}, [Node(op, tuple(inputs), ("output0",), attributes)], {}, ["output0"])
    graph.constants = {
        "one": np.array([1], np.int64),
        "many": np.array([1 << 40, -1, 0, 3], np.int64),
        "float": np.array([[1e30, np.nan]], np.float32),
        "none": np.empty(0, np.int64),
    }
    start = time.process_time()
    try:
        Extent(graph).output_shapes((1, 3, 64, 64))
    except WeightsError as error:
        assert str(error)
    assert time.process_time() - start < 1


@pytest.mark.parametrize("op", ["Reshape", "Slice", "Gather", "Expand", "Tile", "Pad", "Transpose", "Concat"])
def test_shapes_are_what_the_onnx_package_infers(op: str) -> None:
    constants = {"a": [1, 3, -1], "p": [0, 0, 1, 2, 0, 0, 3, 4], "t": [1, 2, 1, 1], "e": [2, 3, 64, 64], "i": [0, 2]}
    one = {"s": [0, 5], "n": [3, 60], "x": [1, 3]}
    arguments: dict[str, tuple[list[str], dict[str, Any]]] = {
        "Reshape": (["images", "a"], {}),
        "Slice": (["images", "s", "n", "x"], {}),
        "Gather": (["images", "i"], {"axis": 1}),
        "Expand": (["images", "e"], {}),
        "Tile": (["images", "t"], {}),
        "Pad": (["images", "p"], {}),
        "Transpose": (["images"], {"perm": [0, 2, 3, 1]}),
        "Concat": (["images", "images"], {"axis": 2}),
    }
    inputs, attributes = arguments[op]
    tensors = [
        helper.make_tensor(k, TensorProto.INT64, [len(v)], v) for k, v in (constants | one).items() if k in inputs
    ]
    pixels = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 64, 64])
    out = helper.make_tensor_value_info("output0", TensorProto.FLOAT, None)
    node = helper.make_node(op, inputs, ["output0"], **attributes)
    graph = helper.make_graph([node], "g", [pixels], [out], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph.output[0].type.tensor_type.shape.dim
    read = parse_model(memoryview(model.SerializeToString()))
    assert Extent(read.graph).output_shapes((1, 3, 64, 64)) == [tuple(side.dim_value for side in inferred)]
