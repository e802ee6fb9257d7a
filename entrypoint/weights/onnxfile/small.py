"""The few numbers that a graph works out to shape its values by: computed with NumPy, as far as they are known.

Where a number depends on what the network sees, such as how many boxes are left, what is known is the least and the
most that it can be.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from entrypoint.weights.onnxfile.tensors import DTYPES

MOST_VALUES = 4096
"""Values of an array that is still worked out; real graphs shape by arrays of a few."""
_MOST_UNSURE = 3  # inputs of an operation that are not known for sure: every mixture of their ends is computed
_Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Numbers:
    """The least and the most that each number of an array can be; the same array where they are known."""

    least: _Array
    most: _Array

    @classmethod
    def known(cls, values: _Array) -> "Numbers":
        return cls(values, values)

    @property
    def sure(self) -> bool:
        return self.least is self.most


def computed(op: str, inputs: Sequence[Numbers | None], attributes: Mapping[str, Any]) -> list[Numbers] | None:
    """What an operation makes of numbers; None where that is not worked out. `inputs`: None for one left out."""
    if op == "Equal" and inputs[0] and inputs[1]:
        return [_equal(inputs[0], inputs[1])]
    function = FUNCTIONS.get(op)
    if function is None:
        return None
    ends = [(None,) if one is None else (one.least,) if one.sure else (one.least, one.most) for one in inputs]
    unsure = [place for place, end in enumerate(ends) if len(end) > 1]
    if len(unsure) > _MOST_UNSURE or (op in _UNEVEN and unsure) or (op in _BY_NUMBERS and any(unsure)):
        return None
    with np.errstate(all="ignore"):
        found = [function(attributes, *mixture) for mixture in itertools.product(*ends)]
    results = [one if isinstance(one, list) else [one] for one in found]
    if any(one.size > MOST_VALUES for one in results[0]):
        return None
    if len(results) == 1:
        return [Numbers.known(one) for one in results[0]]
    if any(len({one.shape for one in same}) > 1 for same in zip(*results, strict=True)):
        return None
    return [Numbers(np.min(same, 0), np.max(same, 0)) for same in zip(*results, strict=True)]


def _equal(x: Numbers, y: Numbers) -> Numbers:
    """Surely equal where both are known and the same, perhaps where they can be the same."""
    surely = (x.least == x.most) & (y.least == y.most) & (x.least == y.least)
    perhaps = (x.least <= y.most) & (y.least <= x.most)
    return Numbers.known(np.asarray(surely)) if x.sure and y.sure else Numbers(np.asarray(surely), np.asarray(perhaps))


def axes_of(attributes: Mapping[str, Any], given: _Array | None) -> tuple[int, ...] | None:
    """Axes, which are an attribute in older versions and an input in newer ones; None where there are none."""
    said = attributes.get("axes") if given is None else given.reshape(-1).tolist()
    return None if said is None else tuple(int(axis) for axis in said)


def _divide(_: Mapping[str, Any], x: _Array, y: _Array) -> _Array:
    if x.dtype.kind == "f":
        return np.asarray(x / y)
    return np.asarray(np.trunc(x / np.where(y == 0, 1, y)).astype(x.dtype))


def _slice(attributes: Mapping[str, Any], x: _Array, *given: _Array | None) -> _Array:
    starts, ends = (given[0], given[1]) if len(given) > 1 else (attributes["starts"], attributes["ends"])
    axes = axes_of(attributes, given[2] if len(given) > 2 else None)
    steps = given[3] if len(given) > 3 else None
    firsts, lasts = np.asarray(starts).reshape(-1).tolist(), np.asarray(ends).reshape(-1).tolist()
    index = [slice(None)] * x.ndim
    for place, (first, last) in enumerate(zip(firsts, lasts, strict=True)):
        step = 1 if steps is None else int(steps.reshape(-1)[place])
        # Going down, an end far below zero is before the first value.
        end = None if step < 0 and last < -x.shape[axes[place] if axes else place] else last
        index[axes[place] if axes else place] = slice(first, end, step)
    return x[tuple(index)]


def _reshape(attributes: Mapping[str, Any], x: _Array, shape: _Array) -> _Array:
    keep = not attributes.get("allowzero", 0)
    sides = [x.shape[axis] if side == 0 and keep else side for axis, side in enumerate(shape.reshape(-1).tolist())]
    return x.reshape(sides)


def _squeeze(attributes: Mapping[str, Any], x: _Array, axes: _Array | None = None) -> _Array:
    return x.squeeze(axes_of(attributes, axes))


def _unsqueeze(attributes: Mapping[str, Any], x: _Array, axes: _Array | None = None) -> _Array:
    return np.expand_dims(x, axes_of(attributes, axes) or ())


def _range(_: Mapping[str, Any], start: _Array, limit: _Array, delta: _Array) -> _Array:
    if abs(int((limit - start) // (delta if delta else 1))) > MOST_VALUES:
        raise ValueError("a long range")
    return np.arange(start.item(), limit.item(), delta.item()).astype(start.dtype)


def _filled(attributes: Mapping[str, Any], shape: _Array) -> _Array:
    if shape.prod(dtype=np.float64) > MOST_VALUES:
        raise ValueError("many values")
    value = attributes.get("value", np.zeros(1, np.float32))
    return np.full(shape.tolist(), value.reshape(-1)[0], value.dtype)


def _expand(_: Mapping[str, Any], x: _Array, shape: _Array) -> _Array:
    target = np.broadcast_shapes(x.shape, tuple(shape.reshape(-1).tolist()))
    if np.prod(target, dtype=np.float64) > MOST_VALUES:
        raise ValueError("many values")
    return np.array(np.broadcast_to(x, target))


def _cast(attributes: Mapping[str, Any], x: _Array) -> _Array:
    return x.astype(DTYPES[attributes["to"]])


def _gather(attributes: Mapping[str, Any], x: _Array, indices: _Array) -> _Array:
    return np.asarray(np.take(x, indices.astype(np.int64), attributes.get("axis", 0)))


def _reduced(function: Callable[..., Any]) -> Callable[..., _Array]:
    def reduce(attributes: Mapping[str, Any], x: _Array, axes: _Array | None = None) -> _Array:
        found = axes_of(attributes, axes)
        keep = bool(attributes.get("keepdims", 1))
        return np.asarray(function(x, axis=found, keepdims=keep)).astype(x.dtype)

    return reduce


def _plain(function: Callable[..., Any]) -> Callable[..., _Array]:
    return lambda _, *values: np.asarray(function(*values))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "Add": _plain(np.add),
    "Sub": _plain(np.subtract),
    "Mul": _plain(np.multiply),
    "Div": _divide,
    "Mod": _plain(np.mod),
    "Pow": lambda _, x, y: np.power(x, y).astype(x.dtype),
    "Neg": _plain(np.negative),
    "Abs": _plain(np.abs),
    "Floor": _plain(np.floor),
    "Ceil": _plain(np.ceil),
    "Round": _plain(np.round),
    "Sqrt": _plain(np.sqrt),
    "Min": _plain(lambda *values: np.minimum.reduce(values)),
    "Max": _plain(lambda *values: np.maximum.reduce(values)),
    "Less": _plain(np.less),
    "LessOrEqual": _plain(np.less_equal),
    "Greater": _plain(np.greater),
    "GreaterOrEqual": _plain(np.greater_equal),
    "And": _plain(np.logical_and),
    "Or": _plain(np.logical_or),
    "Not": _plain(np.logical_not),
    "Where": _plain(np.where),
    "Identity": _plain(lambda x: x),
    "Cast": _cast,
    "Concat": lambda attributes, *values: np.concatenate(values, attributes["axis"]),
    "Gather": _gather,
    "Slice": _slice,
    "Reshape": _reshape,
    "Flatten": lambda _, x: x.reshape(1, -1) if x.ndim < 2 else x.reshape(x.shape[0], -1),
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Transpose": lambda attributes, x: x.transpose(attributes.get("perm")),
    "Range": _range,
    "ConstantOfShape": _filled,
    "Expand": _expand,
    "ReduceProd": _reduced(np.prod),
    "ReduceSum": _reduced(np.sum),
    "ReduceMax": _reduced(np.max),
    "ReduceMin": _reduced(np.min),
}
# What these make of numbers in between may lie outside of what they make of the ends.
_UNEVEN = frozenset({"Abs", "Mod", "Pow", "Range", "ConstantOfShape"})
# These are to know all their inputs but the first.
_BY_NUMBERS = frozenset({"Gather", "Slice", "Reshape", "Expand", "Squeeze", "Unsqueeze"})
