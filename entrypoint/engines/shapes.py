"""NumPy's function for each of ONNX's operations with which exporters work out shapes, grids and scales."""

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
FLOATS = {1: np.float32, 10: np.float16, 11: np.float64}
"""ONNX's numbers for types of floating-point values."""
_TYPES: dict[int, type] = {**FLOATS, 2: np.uint8, 3: np.int8, 6: np.int32, 7: np.int64, 9: np.bool_}
_LAST = np.iinfo(np.int64).max


def sides(shape: Sequence[int], wanted: Sequence[int], allowzero: int = 0) -> list[int]:
    """Return the sides that Reshape asks for; a 0 there is the side that is, unless `allowzero`."""
    return [shape[axis] if side == 0 and not allowzero else side for axis, side in enumerate(wanted)]


def slices(
    ndim: int,
    starts: Sequence[int],
    ends: Sequence[int],
    axes: Sequence[int] | None = None,
    steps: Sequence[int] | None = None,
) -> tuple[Any, ...]:
    """Return the index that Slice asks for."""
    index = [slice(None)] * ndim
    steps = steps or [1] * len(starts)
    for start, end, axis, step in zip(starts, ends, axes or range(len(starts)), steps, strict=True):
        index[axis] = slice(start, None if abs(end) >= _LAST else end, step)
    return tuple(index)


def _slice(x: Array, starts: Array, ends: Array, axes: Array | None = None, steps: Array | None = None) -> Any:
    further = (None if one is None else one.tolist() for one in (axes, steps))
    return x[slices(x.ndim, starts.tolist(), ends.tolist(), *further)]


def _split(x: Array, split: Any = None, *, axis: int = 0, num_outputs: int = 0) -> Sequence[Array]:
    return np.split(x, num_outputs if split is None else np.cumsum(split)[:-1], axis)


def _divide(x: Array, y: Array) -> Any:
    return x / y if x.dtype.kind == "f" else np.trunc(x / y).astype(x.dtype)


def _shape(x: Any, *, start: int = 0, end: int | None = None) -> NDArray[np.int64]:
    return np.array(x.shape[start:end], np.int64)


def _range(start: Array, end: Array, step: Array) -> Array:
    return np.arange(start.item(), end.item(), step.item()).astype(start.dtype)


def _filled(shape: Array, *, value: Array | None = None) -> Array:
    filling = np.zeros((), np.float32) if value is None else value.reshape(())
    return np.full(tuple(shape), filling, filling.dtype)


SHAPES: dict[str, Callable[..., Any]] = {
    "Add": np.add,
    "Cast": lambda x, to, saturate=1: x.astype(_TYPES[to]),
    "Concat": lambda *values, axis: np.concatenate(values, axis),
    "ConstantOfShape": _filled,
    "Div": _divide,
    "Equal": np.equal,
    "Expand": lambda x, shape: np.broadcast_to(x, np.broadcast_shapes(x.shape, tuple(shape))),
    "Floor": np.floor,
    "Gather": lambda x, indices, axis=0: np.take(x, indices, axis),
    "Identity": lambda x: x,
    "Max": lambda *values: reduce(np.maximum, values),
    "Min": lambda *values: reduce(np.minimum, values),
    "Mod": lambda x, y, fmod=0: np.fmod(x, y) if fmod else np.mod(x, y),
    "Mul": np.multiply,
    "Pow": lambda x, y: np.power(x, y).astype(x.dtype),
    "Range": _range,
    "Reshape": lambda x, shape, allowzero=0: x.reshape(sides(x.shape, shape, allowzero)),
    "Shape": _shape,
    "Slice": _slice,
    "Split": _split,
    "Sqrt": np.sqrt,
    "Squeeze": lambda x, axes=None: np.squeeze(x, None if axes is None else tuple(axes)),
    "Sub": np.subtract,
    "Tile": lambda x, repeats: np.tile(x, tuple(repeats)),
    "Transpose": lambda x, perm=None: x.transpose(perm),
    "Unsqueeze": lambda x, axes: np.expand_dims(x, tuple(axes)),
    "Where": np.where,
}
"""Inputs are arrays by position, attributes given by name."""
