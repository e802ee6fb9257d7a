"""The operations of an ONNX file, and their attributes."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from entrypoint.errors import NotADetectorError, UnsafeWeightsError
from entrypoint.models.graph import Node
from entrypoint.weights.onnxfile.tensors import tensor
from entrypoint.weights.onnxfile.wire import (
    Budget,
    Field,
    beginning,
    body_of,
    fields,
    name_of,
    number_of,
    signed,
    varints,
)

DOMAINS = ("", "ai.onnx")
"""Who defines the operations that are taken: ONNX itself."""
_CONTROL_FLOW = "runs other graphs within itself (If, Loop and the like), and no export of a YOLO detector does"


def read_node(message: memoryview, budget: Budget) -> Node:
    """The operation that a NodeProto is. Raises NotADetectorError for one that only its own runtime computes,
    UnsafeWeightsError for one that runs other graphs.
    """
    inputs: list[str] = []
    outputs: list[str] = []
    op, domain, attributes = "", "", {}
    for number, value in fields(message, budget):
        if number == 1:
            inputs.append(name_of(value))
        elif number == 2:
            outputs.append(name_of(value))
        elif number == 4:
            op = name_of(value)
        elif number == 7:
            domain = name_of(value)
        elif number == 5:
            name, found = _attribute(body_of(value), budget)
            attributes[name] = found
    if domain not in DOMAINS:
        raise NotADetectorError(
            f"has the operation {op[:100]!r} of the domain {domain[:100]!r}, which only its own runtime computes. "
            "Export it again without it, or bring the .pt file that it was exported from"
        )
    return Node(op, tuple(inputs), tuple(outputs), attributes)


def _attribute(message: memoryview, budget: Budget) -> tuple[str, Any]:
    name = ""
    found: dict[int, list[Field]] = {}
    for number, part in fields(message, budget):
        if number == 1:
            name = name_of(part)
        else:
            found.setdefault(number, []).append(part)
    if 6 in found or 11 in found:
        raise UnsafeWeightsError(_CONTROL_FLOW)
    if 21 in found or 10 in found or 22 in found:
        raise UnsafeWeightsError(f"has an attribute {name[:100]!r} of a kind that no detector has")
    return name, _attribute_value(found, budget)


def _attribute_value(found: dict[int, list[Field]], budget: Budget) -> Any:
    """The value by the field that holds it; a single one that is zero may be left out, and so may an empty list."""
    if 2 in found:
        return _floats(found[2])[0]
    if 3 in found:
        return _ints(found[3], budget)[0]
    if 4 in found:
        return beginning(found[4][-1])
    if 5 in found:
        return tensor(body_of(found[5][-1]), budget)[1]
    if 7 in found:
        return tuple(_floats(found[7]))
    if 9 in found:
        return tuple(map(beginning, found[9]))
    zeros: dict[int, Any] = {1: 0.0, 2: 0, 3: ""}
    kind = number_of(found[20][-1]) if 20 in found else 0
    return zeros.get(kind, tuple(_ints(found.get(8, []), budget)))


def _floats(parts: list[Field]) -> list[float]:
    return [float(one) for part in parts for one in np.frombuffer(_whole_floats(body_of(part)), "<f4")]


def _whole_floats(packed: memoryview) -> memoryview:
    if not len(packed) or len(packed) % 4:
        raise UnsafeWeightsError("has a number that is none")
    return packed


def _ints(parts: list[Field], budget: Budget) -> list[int]:
    found: Iterator[list[int]] = ([signed(one)] if isinstance(one, int) else [*varints(one, budget)] for one in parts)
    return [number for numbers in found for number in numbers]
