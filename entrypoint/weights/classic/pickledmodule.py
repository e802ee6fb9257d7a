"""A node of a checkpoint, read with checks."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds
from numpy.typing import NDArray

from entrypoint.errors import WeightsError
from entrypoint.weights.classic.pickled import Node

_MAX_LAYERS = 20_000
_MAX_GROWTH = 8  # bytes to floats is 4
# Far above any real one: of groups, classes, heads; and of a kernel, a stride, a padding.
_MAX_COUNT, _MAX_SIZE = 1 << 16, 64
# The product of two larger values is more than float32 holds.
_MAX_VALUE = 1e18


class Allowance:
    """What a network may grow to. A few bytes of pickle can name one layer, or one tensor, a million times."""

    def __init__(self, file_bytes: int) -> None:
        self._layers, self._bytes = _MAX_LAYERS, _MAX_GROWTH * file_bytes

    def take_layer(self) -> None:
        self._layers -= 1
        if self._layers < 0:
            raise WeightsError(f"the checkpoint has more than {_MAX_LAYERS} layers")

    def take_bytes(self, count: int) -> None:
        self._bytes -= count
        if self._bytes < 0:
            raise WeightsError(f"the checkpoint's layers take more than {_MAX_GROWTH} times the file's size in memory")


def shown(value: object) -> str:
    """A value from a checkpoint, for a message: short scalars as they are, anything else by its type."""
    if isinstance(value, (str, float, bool, type(None))) or (isinstance(value, int) and abs(value) < 10**18):
        return repr(value)[:80]
    return f"a {type(value).__name__}"


class PickledModule:
    """A node and where it stands in the model, read with checks: what is missing or odd raises WeightsError."""

    def __init__(self, node: object, path: str, allowance: Allowance) -> None:
        if not isinstance(node, Node):
            raise WeightsError(f"the checkpoint's {path} is a {type(node).__name__}, not a layer")
        allowance.take_layer()
        self.node, self.path, self.name, self._allowance = node, path, node.pickled_name, allowance

    def wrong(self, what: str) -> WeightsError:
        return WeightsError(f"the checkpoint's {self.path} ({self.name}) {what}")

    def value(self, key: str, default: object = None) -> Any:
        return self.node.state.get(key, default)

    def number(self, key: str, default: int | None = None) -> int:
        return self.checked_int(key, self.value(key, default), _MAX_COUNT)

    def pair(self, key: str, default: int | None = None) -> tuple[int, int]:
        value = self.value(key, default)
        first, second = value if isinstance(value, (tuple, list)) and len(value) == 2 else (value, value)
        return self.checked_int(key, first), self.checked_int(key, second)

    def real(self, key: str, default: float) -> float:
        value = self.value(key, default)
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not math.isfinite(value):
            raise self.wrong(f"has {key} = {shown(value)}, expected a finite number")
        return float(value)

    def checked_int(self, key: str, value: object, most: int = _MAX_SIZE) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
            raise self.wrong(f"has {key} = {shown(value)}, expected a whole number from 0 to {most}")
        return value

    def array(self, key: str, dims: int) -> NDArray[np.float32]:
        found = self.optional_array(key)
        if found is None or found.ndim != dims:
            raise self.wrong(f"has no {key} of {dims} dimensions")
        return found

    def optional_array(self, key: str) -> NDArray[np.float32] | None:
        """A parameter, buffer or attribute, as float32 of its own, every value of it a number to compute with.

        A parameter that torch pruned by a mask is the product of the two.
        """
        whole, mask = self._stored("_parameters", f"{key}_orig"), self._stored("_buffers", f"{key}_mask")
        if whole is not None and mask is not None and whole.shape == mask.shape:
            return self.computable(key, self._own(key, whole) * self._own(key, mask))
        for group in ("_parameters", "_buffers"):
            if (found := self._stored(group, key)) is not None:
                return self._own(key, found)
        attribute = self.value(key)
        return self._own(key, attribute) if isinstance(attribute, np.ndarray) else None

    def _stored(self, group: str, key: str) -> NDArray[Any] | None:
        values = self.value(group)
        found = values.get(key) if isinstance(values, dict) else None
        return found if isinstance(found, np.ndarray) else None

    def _own(self, key: str, found: NDArray[Any]) -> NDArray[np.float32]:
        low, high = byte_bounds(found)
        # A stride of 0 can claim an array far larger than the bytes behind it.
        if found.dtype.kind not in "fiub" or found.nbytes > max(0, high - low):
            raise self.wrong(f"has a {key} that does not hold the values it claims")
        self._allowance.take_bytes(found.size * np.float32().itemsize)
        with np.errstate(over="ignore"):
            return self.computable(key, found.astype(np.float32, order="C"))

    def computable(self, key: str, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """The same values; raises WeightsError where one is no number, infinite, or too large to compute with."""
        if not np.abs(values).max(initial=0) < _MAX_VALUE:
            raise self.wrong(
                f"has a {key} with values that are no numbers (NaN), infinite, or too large to compute with; its "
                "training diverged, or the file is damaged"
            )
        return values

    def has(self, key: str) -> bool:
        children = self.value("_modules")
        return isinstance(children, dict) and isinstance(children.get(key), Node)

    def child(self, key: str) -> "PickledModule":
        if not self.has(key):
            raise self.wrong(f"has no layer {key}")
        return PickledModule(self.value("_modules")[key], f"{self.path}.{key}", self._allowance)

    def children(self) -> Iterator["PickledModule"]:
        children = self.value("_modules")
        if not isinstance(children, dict):
            raise self.wrong("has no list of layers")
        for key, node in children.items():
            yield PickledModule(node, f"{self.path}.{key}", self._allowance)
