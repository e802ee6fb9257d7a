"""A graph as steps for PyTorch. NumPy works out on the host what depends on the shape of the pixels alone.

So nothing waits for a GPU to learn a shape, a scale or a limit. A step reads each value in one form: a tensor on the
device; a Python number or list that tells how to compute; or, in arithmetic of shapes, an array of NumPy's.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from entrypoint.engines.operations import (
    FUSED,
    NUMBERS,
    OPERATIONS,
    SOFTMAX_OF_MATRIX,
    UnknownOperationError,
)
from entrypoint.engines.shapes import FLOATS, SHAPES
from entrypoint.models.graph import Graph, Node

_SOFTMAX_OF_ONE_AXIS = 13  # the version of ONNX's operations from which it is


class Form(IntEnum):
    """The forms in which a step reads a value: a tensor on the device, Python's numbers, an array of NumPy's."""

    TENSOR = 0
    NUMBERS = 1
    ARRAY = 2


Key: TypeAlias = tuple[str, Form] | None
"""A value in a form; None for an input that is left out."""
Values: TypeAlias = dict[Key, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """One operation. `outputs`: names. `done_with`: the tensors that no later step reads.

    `on_host`: its values depend on the shape of the pixels alone.
    """

    compute: Callable[..., Any]
    inputs: tuple[Key, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]
    done_with: tuple[Key, ...]
    on_host: bool

    def run(self, values: Values) -> dict[str, Any]:
        """Return the values that it makes, by name."""
        return _named(self.outputs, self.compute(*[values[key] for key in self.inputs], **self.attributes))


class Program:
    """The steps of a graph on one device, and the constants in the forms that they read."""

    def __init__(self, graph: Graph, place: torch.device, dtype: torch.dtype) -> None:
        """`dtype`: of all floating-point values on the device.

        Raises UnknownOperationError for operations that are not in the tables, RuntimeError where the device is full.
        """
        self._place, self._dtype = place, dtype
        arrays, nodes = _folded(graph)
        on_host = _of_shapes(nodes, set(arrays))
        nodes = _fused(nodes, graph)
        _require_known(nodes, on_host)
        inputs = [_keys(node, on_host) for node in nodes]
        self.outputs: list[Key] = [(name, Form.TENSOR) for name in graph.outputs]
        self._read = {*self.outputs, *(key for keys in inputs for key in keys if key)}
        last: dict[Key, int] = {
            key: number for number, keys in enumerate(inputs) for key in keys if key and key[0] not in on_host
        }
        for key in self.outputs:
            last.pop(key, None)
        self.steps = [
            self._step(node, keys, on_host, tuple({key for key in keys if key and last.get(key) == number}))
            for number, (node, keys) in enumerate(zip(nodes, inputs, strict=True))
        ]
        self.constants = {None: None, **self.forms(arrays)}

    def forms(self, arrays: dict[str, NDArray[Any]]) -> Values:
        """Return values that the host has, each in all forms that steps read."""
        take: dict[Form, Callable[[NDArray[Any]], Any]] = {
            Form.TENSOR: self._placed,
            Form.NUMBERS: lambda array: array.tolist(),
            Form.ARRAY: lambda array: array,
        }
        return {
            (name, form): take[form](array)
            for name, array in arrays.items()
            for form in Form
            if (name, form) in self._read
        }

    def _placed(self, array: NDArray[Any]) -> Tensor | float:
        """Return a tensor on the device, or a single number as Python's own, which PyTorch takes in its place."""
        if not array.ndim:
            return array.item()  # type: ignore[no-any-return]
        tensor = torch.from_numpy(np.require(array, requirements=("C", "W")))
        dtype = self._dtype if tensor.is_floating_point() else tensor.dtype
        layout = torch.channels_last if array.ndim == 4 else torch.contiguous_format
        return tensor.to(self._place, dtype).contiguous(memory_format=layout)

    def _step(self, node: Node, keys: Sequence[Key], on_host: set[str], done_with: tuple[Key, ...]) -> Step:
        is_on_host, attributes = node.outputs[0] in on_host, node.attributes
        if node.op == "Cast" and not is_on_host and attributes["to"] in FLOATS:
            attributes = attributes | {"to": self._dtype}
        table = SHAPES if is_on_host else OPERATIONS
        return Step(table[node.op], tuple(keys), node.outputs, attributes, done_with, is_on_host)


def _named(outputs: tuple[str, ...], found: Any) -> dict[str, Any]:
    if isinstance(found, (tuple, list)):
        return dict(zip(outputs, found, strict=True))
    return {outputs[0]: found}


def _folded(graph: Graph) -> tuple[dict[str, NDArray[Any]], list[Node]]:
    """Return the constants, with what NumPy computes of constants alone, and the other nodes."""
    arrays, left = dict(graph.constants), []
    for node in graph.nodes:
        if node.op in SHAPES and all(not name or name in arrays for name in node.inputs):
            found = SHAPES[node.op](*(arrays[name] if name else None for name in node.inputs), **node.attributes)
            arrays.update(_named(node.outputs, found))
        else:
            left.append(node)
    return arrays, left


def _of_shapes(nodes: Sequence[Node], constants: set[str]) -> set[str]:
    """Return the names of values that depend on constants and on the shape of the pixels alone."""
    found = set(constants)
    for node in nodes:
        if node.op == "Shape" or (node.op in SHAPES and found.issuperset(filter(None, node.inputs))):
            found.update(node.outputs)
    return found


def _fused(nodes: Sequence[Node], graph: Graph) -> list[Node]:
    """Return the nodes under the tables' names; x · sigmoid(x) as one, in place where nobody else reads x."""
    uses = Counter([*graph.outputs, *(name for node in nodes for name in node.inputs)])
    makers = {name: node for node in nodes for name in node.outputs}
    gates, found = set[str](), list[Node]()
    for node in reversed(nodes):
        if node.outputs[0] in gates:
            continue
        gate = makers.get(node.inputs[-1]) if node.op == "Mul" else None
        if gate and gate.op == "Sigmoid" and gate.inputs == node.inputs[:1] and uses[gate.outputs[0]] == 1:
            (x,) = gate.inputs
            gates.update(gate.outputs)
            is_own = x in makers and makers[x].op == "Conv" and uses[x] == 2
            node = Node(FUSED, (x,), node.outputs, {"inplace": is_own})
        elif node.op == "Softmax" and graph.opset < _SOFTMAX_OF_ONE_AXIS:
            node = Node(SOFTMAX_OF_MATRIX, node.inputs, node.outputs, node.attributes)
        found.append(node)
    return found[::-1]


def _require_known(nodes: Sequence[Node], on_host: set[str]) -> None:
    """Raise UnknownOperationError for operations that are not in the tables."""
    unknown = {node.op for node in nodes if node.outputs[0] not in on_host} - OPERATIONS.keys()
    if unknown:
        raise UnknownOperationError(f"PyTorch's table has no {', '.join(sorted(unknown))}")


def _keys(node: Node, on_host: set[str]) -> list[Key]:
    """Return the values that a node reads, each in the form that it reads it in."""
    if node.outputs[0] in on_host:
        return [(name, Form.ARRAY if name in on_host else Form.TENSOR) if name else None for name in node.inputs]
    numbers = NUMBERS.get(node.op, ())
    found: list[Key] = [
        (name, Form.NUMBERS if position in numbers else Form.TENSOR) if name else None
        for position, name in enumerate(node.inputs)
    ]
    if any(key and key[1] is Form.NUMBERS and key[0] not in on_host for key in found):
        raise UnknownOperationError(f"PyTorch's table has no {node.op} by numbers that the network computes")
    return found
