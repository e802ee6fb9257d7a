"""A network as a graph: operations under ONNX's names, and the arrays that they bring along.

While a graph is written, each value knows the shape that it has for one small image. So layers that do not fit
together, or that would make far more of that image than a network does, are refused before anything is computed.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

PIXELS = "pixels"
"""The input of a network: (B, 3, H, W) float32 RGB in [0, 1]."""

# Values that one operation may make of the small image, two strides by two, and all together: of the YOLOv5 that makes
# the most, a P7 of width x, 3 and 120 million.
_MAX_OUTPUT, _MAX_TOTAL = 1 << 24, 1 << 28


class GraphError(Exception):
    """What is written makes no network: shapes that do not fit together, or far too many values."""


@dataclass(frozen=True, slots=True)
class Node:
    """One operation: ONNX's name for it, the values that go in ('' for one left out) and come out, and how."""

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Graph:
    """`nodes` in an order in which they can be computed.

    `inputs`: shapes of arrays by name, each side a number, or a name where it may vary. `outputs`: names. `dtypes`:
    NumPy's types of the inputs that are not float32. `opset`: the version of ONNX's operations.
    """

    inputs: dict[str, tuple[int | str, ...]]
    nodes: list[Node] = field(default_factory=list)
    constants: dict[str, NDArray[Any]] = field(default_factory=dict)
    outputs: list[str] = field(default_factory=list)
    dtypes: dict[str, str] = field(default_factory=dict)
    opset: int = 17

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays that it brings along."""
        return sum(values.nbytes for values in self.constants.values())


@dataclass(frozen=True, slots=True)
class Value:
    """A value of a graph in the making, and the shape that it has for the small image."""

    writer: "Writer"
    name: str
    shape: tuple[int, ...]

    def then(self, op: str, *others: "Value | NDArray[Any] | None", **more: Any) -> "Value":
        """The result of an operation on this value and others; `Writer.add` has the keywords. Shaped as this one is."""
        return self.writer.add(op, (self, *others), **{"shape": self.shape} | more)


class Writer:
    """A graph in the making, and what it may still make of the small image."""

    def __init__(self, side: int) -> None:
        """`side`: height and width, in pixels, of the image that shapes are followed for."""
        self.graph = Graph({PIXELS: ("batch", 3, "height", "width")})
        self.pixels = Value(self, PIXELS, (1, 3, side, side))
        self._made = 0

    def add(
        self,
        op: str,
        inputs: Sequence["Value | NDArray[Any] | None"],
        shape: tuple[int, ...],
        cost: int | None = None,
        **attributes: Any,
    ) -> Value:
        """Append an operation that gives a value of that shape; arrays among its inputs become constants.

        `cost`: the values that computing it takes, where these are not those of its result. Raises GraphError.
        """
        if min(shape, default=1) < 1:
            raise GraphError(f"{op} would give {' × '.join(map(str, shape))} values")
        cost = math.prod(shape) if cost is None else cost
        self._made += cost
        if cost > _MAX_OUTPUT:
            raise GraphError(f"makes {cost} values of a tiny image")
        if self._made > _MAX_TOTAL:
            raise GraphError(f"makes, with what comes before, more than {_MAX_TOTAL} values of a tiny image")
        name = f"{op}_{len(self.graph.nodes)}"
        names = tuple(self._name(value, f"{name}_{place}") for place, value in enumerate(inputs))
        self.graph.nodes.append(Node(op, names, (name,), attributes))
        return Value(self, name, shape)

    def _name(self, value: "Value | NDArray[Any] | None", unused: str) -> str:
        if isinstance(value, np.ndarray):
            self.graph.constants[unused] = value
            return unused
        return value.name if value else ""
