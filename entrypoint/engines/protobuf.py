"""A graph as the bytes of an ONNX model: the messages of onnx.proto, without the package, whose import costs time."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from entrypoint.models.graph import Graph, Node

_IR_VERSION = 8
_TYPES = {  # TensorProto.DataType
    "float32": 1,
    "uint8": 2,
    "int8": 3,
    "uint16": 4,
    "int16": 5,
    "int32": 6,
    "int64": 7,
    "bool": 9,
    "float16": 10,
    "float64": 11,
    "uint32": 12,
    "uint64": 13,
}
_Chunks: TypeAlias = list[bytes | NDArray[np.uint8]]


def serialised(graph: Graph) -> bytes:
    """The model, as a file holds it. Of its outputs it says no more than their names."""
    body = [chunk for node in graph.nodes for chunk in _message(1, _node(node))] + _message(2, b"network")
    for name, values in graph.constants.items():
        body += _message(5, _tensor(name, values))
    for name, shape in graph.inputs.items():
        sides = [_message(1, _number(1, side) if isinstance(side, int) else _message(2, side)) for side in shape]
        kind = _number(1, _TYPES[np.dtype(graph.dtypes.get(name, "float32")).name])
        body += _message(11, [*_message(1, name), *_message(2, _message(1, [*kind, *_message(2, _joined(sides))]))])
    for name in graph.outputs:
        body += _message(12, _message(1, name))
    opset = _message(8, [*_message(1, b""), *_number(2, graph.opset)])
    parts: list[Any] = [*_number(1, _IR_VERSION), *opset, *_message(7, body)]
    return b"".join(parts)


def with_notes(model: bytes, notes: Mapping[str, str]) -> bytes:
    """The same model with notes, which ONNX calls its metadata."""
    entries = [_message(14, [*_message(1, name), *_message(2, text)]) for name, text in notes.items()]
    parts: list[Any] = _joined(entries)
    return model + b"".join(parts)


def _node(node: Node) -> _Chunks:
    """Names of inputs and outputs, its own, the operation, and how."""
    texts = [*((1, name) for name in node.inputs), *((2, name) for name in node.outputs)]
    parts = [_message(number, text) for number, text in (*texts, (3, node.outputs[0]), (4, node.op))]
    parts += [_message(5, [*_message(1, name), *_attribute(value)]) for name, value in node.attributes.items()]
    return _joined(parts)


def _attribute(value: Any) -> _Chunks:
    """With its number in AttributeProto.AttributeType: a float, int, text or tensor; floats, texts or ints."""
    if isinstance(value, float):
        return [_varint(2 << 3 | 5), np.float32(value).tobytes(), *_number(20, 1)]
    if isinstance(value, int):
        return [*_number(3, value), *_number(20, 2)]
    if isinstance(value, str):
        return [*_message(4, value), *_number(20, 3)]
    if isinstance(value, np.ndarray):
        return [*_message(5, _tensor("", value)), *_number(20, 4)]
    if value and isinstance(value[0], float):
        return [*_message(7, np.array(value, np.float32).tobytes()), *_number(20, 6)]
    if value and isinstance(value[0], str):
        return [*_joined(_message(9, one) for one in value), *_number(20, 8)]
    return [*_joined(_number(8, one) for one in value), *_number(20, 7)]


def _tensor(name: str, values: NDArray[Any]) -> _Chunks:
    raw = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
    kind = _number(2, _TYPES[values.dtype.name])
    return [*_joined(_number(1, side) for side in values.shape), *kind, *_message(8, name), *_message(9, [raw])]


def _message(number: int, content: _Chunks | str | bytes) -> _Chunks:
    """A field of bytes: a message within a message, or text."""
    if not isinstance(content, list):
        content = [content.encode() if isinstance(content, str) else content]
    return [_varint(number << 3 | 2) + _varint(sum(map(len, content))), *content]


def _number(number: int, value: int) -> _Chunks:
    return [_varint(number << 3) + _varint(value)]


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; of a negative number as 64 bits hold it."""
    value &= (1 << 64) - 1
    made = bytearray()
    while value > 127:
        made.append(value & 127 | 128)
        value >>= 7
    return bytes([*made, value])


def _joined(parts: Iterable[_Chunks]) -> _Chunks:
    return [chunk for part in parts for chunk in part]
