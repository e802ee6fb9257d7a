"""ONNX files made by hand, for those that mean harm."""

from collections.abc import Sequence
from typing import Any

import onnx
from onnx import TensorProto, helper

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
IMAGE: tuple[int | str, ...] = (1, 3, 64, 64)
Node = tuple[str, Sequence[str], Sequence[str], dict[str, Any]]


def model(
    nodes: Sequence[Node | onnx.NodeProto],
    constants: Sequence[TensorProto] = (),
    shape: Sequence[int | str] = IMAGE,
    kind: int = FLOAT,
    opset: int = 17,
    metadata: dict[str, str] | None = None,
) -> onnx.ModelProto:
    """A graph of these operations, from `images` to `output0`."""
    made = [
        node if isinstance(node, onnx.NodeProto) else helper.make_node(node[0], node[1], node[2], **node[3])
        for node in nodes
    ]
    pixels = helper.make_tensor_value_info("images", kind, shape)
    out = helper.make_tensor_value_info("output0", FLOAT, None)
    graph = helper.make_graph(made, "hostile", [pixels], [out], list(constants))
    made_model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    for key, value in (metadata or {}).items():
        entry = made_model.metadata_props.add()
        entry.key, entry.value = key, value
    return made_model


def file(*arguments: Any, **options: Any) -> bytes:
    """The bytes of what `model` makes of these."""
    return model(*arguments, **options).SerializeToString()  # type: ignore[no-any-return]


def ints(name: str, *values: int) -> TensorProto:
    """A constant of whole numbers."""
    return helper.make_tensor(name, INT64, [len(values)], list(values))


def chain(op: str, count: int, **attributes: Any) -> list[Node]:
    """So many times the same operation, one after another."""
    names = ["images", *(f"v{number}" for number in range(count - 1)), "output0"]
    return [(op, [names[n]], [names[n + 1]], attributes) for n in range(count)]
