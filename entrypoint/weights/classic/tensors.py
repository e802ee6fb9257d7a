"""Tensors of a checkpoint as NumPy arrays: views of their storages, as in the file.

float16, float32, float64, whole numbers and bools have the dtype they were stored in; bfloat16, which NumPy lacks, is
widened to float32. The arrays are read-only. Several may share one storage, as the tensors did.
"""

import math
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from entrypoint.weights.classic.budget import Budget
from entrypoint.weights.classic.nodes import StorageKind
from entrypoint.weights.classic.opcodes import Buffer

_MAX_DIMS = 8
_COST = 5  # of a tensor, in values that are looked at


@dataclass(frozen=True, slots=True)
class Storage:
    """A storage's values, in one dimension."""

    values: NDArray[Any]


@dataclass(frozen=True, slots=True)
class StorageReference:
    """What a pickle says of a storage; it is not yet held against what is there."""

    kind: StorageKind
    key: str
    length: int

    @property
    def nbytes(self) -> int:
        """Bytes in the file."""
        return self.length * np.dtype(self.kind.dtype).itemsize

    @property
    def dtype(self) -> np.dtype[Any]:
        """What the values have in memory."""
        return np.dtype(np.float32 if self.kind.widened else self.kind.dtype)


def storage_reference(found: object) -> StorageReference:
    """The storage that a persistent id, as torch pickles it, speaks of. Raises pickle.UnpicklingError for any other."""
    # A sixth item speaks of a view of a storage, as torch had it before 0.4; it is None since.
    if not isinstance(found, tuple) or not 5 <= len(found) <= 6 or any(item is not None for item in found[5:]):
        raise pickle.UnpicklingError("a reference to something outside of the pickle is not allowed")
    what, kind, key, _, length = found[:5]
    if what != "storage" or not isinstance(kind, StorageKind) or not isinstance(key, str) or type(length) is not int:
        raise pickle.UnpicklingError("a reference to something that is no storage is not allowed")
    if length < 0:
        raise pickle.UnpicklingError(f"a storage of {length} values")
    return StorageReference(kind, key, length)


def stored_values(reference: StorageReference, data: Buffer, start: int) -> NDArray[Any]:
    """The values of a storage that lies in `data` from `start` on: a view of it, but for bfloat16."""
    if not reference.length:
        return np.empty(0, reference.dtype)
    values: NDArray[Any] = np.frombuffer(data, reference.kind.dtype, reference.length, start)
    if reference.kind.widened:  # a bfloat16 is the upper half of a float32
        values = np.left_shift(values, 16, dtype=np.uint32).view(np.float32)
    return values


def tensor_view(budget: Budget, arguments: Sequence[object]) -> NDArray[Any]:
    """The array for what `torch._utils._rebuild_tensor_v2` is called with: storage, offset, size and strides.

    Offset and strides are in values. Raises pickle.UnpicklingError for a tensor that does not lie in its storage, or
    that claims, by strides of 0, more values than the whole file has bytes for.
    """
    budget.take_copies(_COST)
    if len(arguments) < 4:
        raise pickle.UnpicklingError("a tensor without a size or strides")
    storage, offset, size, stride = arguments[:4]
    if not isinstance(storage, Storage) or type(offset) is not int or offset < 0:
        raise pickle.UnpicklingError("a tensor without a storage or its place there")
    shape, steps = _whole_numbers(size), _whole_numbers(stride)
    if len(shape) != len(steps):
        raise pickle.UnpicklingError(f"a tensor of {len(shape)} dimensions with {len(steps)} strides")
    values = storage.values
    width = values.itemsize
    if math.prod(max(1, side) for side in shape) * width > max(budget.file_bytes, width):
        raise pickle.UnpicklingError(f"a tensor of size {_shown(shape)} does not hold the values it claims")
    if 0 in shape:
        return _frozen(np.empty(shape, values.dtype))
    last = offset + sum((side - 1) * step for side, step in zip(shape, steps, strict=True))
    if last >= len(values):
        raise pickle.UnpicklingError(f"a tensor does not hold the values it claims: its storage has {len(values)}")
    strides = [step * width if side > 1 else width for side, step in zip(shape, steps, strict=True)]
    return _frozen(np.ndarray(shape, values.dtype, values, offset * width, strides))


def _whole_numbers(found: object) -> tuple[int, ...]:
    if not isinstance(found, tuple) or len(found) > _MAX_DIMS:
        raise pickle.UnpicklingError(f"a tensor of other than 0 to {_MAX_DIMS} dimensions")
    if any(type(number) is not int or number < 0 for number in found):
        raise pickle.UnpicklingError("a tensor whose size or strides are no whole numbers")
    return found


def _shown(shape: tuple[int, ...]) -> str:
    return " × ".join(str(side) if side < 1 << 64 else "…" for side in shape)


def _frozen(values: NDArray[Any]) -> NDArray[Any]:
    values.flags.writeable = False
    return values
