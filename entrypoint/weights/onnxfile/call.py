"""An operation of an ONNX file with what is known of the values that go in: their shapes, and the numbers of a few."""

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

from entrypoint.models.graph import Node
from entrypoint.weights.onnxfile.small import Numbers, axes_of

Shape: TypeAlias = tuple[int, ...]


class MisfitError(Exception):
    """An operation's inputs do not fit it, or their sizes cannot be told."""


@dataclass(frozen=True, slots=True)
class Size:
    """What is known of a value. `exact`: whether its shape is what it will have, not the most it can be."""

    shape: Shape
    numbers: Numbers | None = None
    exact: bool = True

    @property
    def count(self) -> int:
        return math.prod(self.shape)


@dataclass(slots=True)
class Call:
    """An operation and what goes in; None for an input left out."""

    node: Node
    inputs: list[Size | None]
    work: int = 0
    """Multiplications and the like, where these are not as many as the values that come out."""

    def size(self, place: int) -> Size:
        if place >= len(self.inputs):
            raise MisfitError(f"{self.node.op} lacks an input")
        found = self.inputs[place]
        if found is None:
            raise MisfitError(f"{self.node.op} lacks an input")
        return found

    def shape(self, place: int = 0) -> Shape:
        return self.size(place).shape

    def most(self, place: int) -> list[int] | None:
        """The largest that the numbers of an input can be; None where it is left out."""
        if place >= len(self.inputs) or self.inputs[place] is None:
            return None
        numbers = self.size(place).numbers
        if numbers is None:
            raise MisfitError(f"{self.node.op} has a size that cannot be told before it runs")
        return [int(one) for one in numbers.most.reshape(-1).tolist()]

    def least(self, place: int) -> list[int]:
        numbers = self.size(place).numbers
        if numbers is None:
            raise MisfitError(f"{self.node.op} has a size that cannot be told before it runs")
        return [int(one) for one in numbers.least.reshape(-1).tolist()]

    def axes(self, place: int) -> tuple[int, ...] | None:
        given = self.inputs[place] if place < len(self.inputs) else None
        if given is not None and given.numbers is None:
            raise MisfitError(f"{self.node.op} has axes that cannot be told before it runs")
        return axes_of(self.node.attributes, given.numbers.most if given and given.numbers else None)

    def said(self, name: str, default: Any = None) -> Any:
        return self.node.attributes.get(name, default)


def broadcast(*shapes: Shape, exact: bool = True) -> Shape:
    rank = max(map(len, shapes))
    sides = []
    for same in zip(*((1,) * (rank - len(shape)) + shape for shape in shapes), strict=True):
        wide = {side for side in same if side != 1}
        if len(wide) > 1 and exact:
            raise MisfitError(f"shapes {' and '.join(map(str, shapes))} do not go together")
        sides.append(max(wide, default=1) if 0 not in wide or not exact else 0)
    return tuple(sides)


def axis(number: int, rank: int) -> int:
    if not -rank <= number < rank:
        raise MisfitError(f"axis {number} of a value with {rank}")
    return number % rank
