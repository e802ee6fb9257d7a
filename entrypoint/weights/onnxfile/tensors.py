"""Tensors of an ONNX file as NumPy arrays: views of the file where it holds them as raw bytes."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from entrypoint.errors import UnsafeWeightsError, WeightsError
from entrypoint.weights.onnxfile.wire import Budget, Field, fields, signed, text, varints

DTYPES: dict[int, str] = {
    1: "<f4",
    2: "u1",
    3: "i1",
    4: "<u2",
    5: "<i2",
    6: "<i4",
    7: "<i8",
    9: "?",
    10: "<f2",
    11: "<f8",
    12: "<u4",
    13: "<u8",
}
"""NumPy's types by TensorProto.DataType; the others have no place in a detector."""
# Fields of TensorProto.
_DIMS, _TYPE, _FLOATS, _INT32, _INT64, _NAME, _RAW, _DOUBLES, _UINT64 = 1, 2, 4, 5, 7, 8, 9, 10, 11
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14
_PACKED_BYTES = {_FLOATS: "<f4", _DOUBLES: "<f8"}
_MAX_DIMS = 8


def tensor(message: memoryview, budget: Budget) -> tuple[str, NDArray[Any]]:
    """The name and the read-only values of a TensorProto.

    Raises UnsafeWeightsError where its values lie in another file, or are not as many as its shape says; WeightsError
    for a type that no detector has.
    """
    dims: list[int] = []
    kind, name, values = 0, "", []
    for number, value in fields(message, budget):
        if number == _DIMS:
            dims += [signed(value)] if isinstance(value, int) else varints(value, budget)
        elif number == _TYPE and isinstance(value, int):
            kind = value
        elif number == _NAME and not isinstance(value, int):
            name = text(value)
        elif number in (_EXTERNAL_DATA, _DATA_LOCATION) and value != 0:
            raise UnsafeWeightsError(
                "keeps its weights in another file, which is not looked for. Export it again as one file, or bring the "
                ".pt file that it was exported from"
            )
        elif number in (_FLOATS, _INT32, _INT64, _RAW, _DOUBLES, _UINT64):
            values.append((number, value))
    if kind not in DTYPES:
        raise WeightsError(f"holds values of ONNX's type {kind}, which no detector here is made of")
    if len(dims) > _MAX_DIMS or min(dims, default=0) < 0:
        raise UnsafeWeightsError(f"holds a tensor of shape {dims[:9]}")
    found = _values(values, np.dtype(DTYPES[kind]), budget)
    if len(found) != math.prod(dims):
        raise UnsafeWeightsError(f"holds a tensor that claims {_many(math.prod(dims))} values, and has {len(found)}")
    shaped = found.reshape(dims)
    shaped.flags.writeable = False
    return name, shaped


def _values(parts: list[tuple[int, Field]], dtype: np.dtype[Any], budget: Budget) -> NDArray[Any]:
    if not parts:
        return np.empty(0, dtype)
    (number, first), *others = parts
    if number == _RAW or (number in _PACKED_BYTES and not others):
        if isinstance(first, int) or others or (number != _RAW and dtype != _PACKED_BYTES[number]):
            raise UnsafeWeightsError("holds a tensor whose values are of another type than it says")
        if len(first) % dtype.itemsize:
            raise UnsafeWeightsError(f"holds a tensor of {len(first)} bytes, {dtype.itemsize} each value")
        return np.frombuffer(first, dtype)
    numbers: list[int] = []
    for kind, value in parts:
        if kind != number or number in _PACKED_BYTES:
            raise UnsafeWeightsError("holds a tensor whose values are written in two ways")
        numbers += [signed(value)] if isinstance(value, int) else varints(value, budget)
    return _from_numbers(numbers, dtype)


def _from_numbers(numbers: list[int], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Values that were written as varints; those of float16 are its bits."""
    whole = np.array(numbers, np.int64)
    if dtype.kind == "f" and dtype.itemsize == 2:
        return whole.astype(np.uint16).view(dtype)
    if dtype.kind == "f":
        raise UnsafeWeightsError("holds a tensor whose values are of another type than it says")
    return whole.astype(dtype)


def _many(count: int) -> str:
    return str(count) if count < 1 << 64 else "very many"
