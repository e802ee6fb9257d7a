"""Checkpoints from before torch 1.6: one pickle after another, then the raw bytes of every storage.

torch's restricted loader refuses whole models in this format, because they carry their classes' source code along.
So it is read here, with Python's unpickler restricted to the names of the allow-list (the way its documentation calls
"Restricting Globals"), onto the same inert nodes.
"""

import pickle
import sys
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

_STORAGE_DTYPES = {
    "torch.FloatStorage": torch.float32,
    "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.DoubleStorage": torch.float64,
    "torch.LongStorage": torch.int64,
    "torch.IntStorage": torch.int32,
    "torch.ShortStorage": torch.int16,
    "torch.CharStorage": torch.int8,
    "torch.ByteStorage": torch.uint8,
    "torch.BoolStorage": torch.bool,
}
_LENGTH_BYTES = 8


def read_legacy(path: Path, allowed: Mapping[str, type]) -> object:
    """The object that a legacy checkpoint pickled, tensors on the CPU.

    `allowed`: dotted names, each with the inert type that stands for it. Raises pickle.UnpicklingError for any other
    name, and nearly anything else for bytes that are not what they should be.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        unpickler = _Unpickler(file, allowed, size)
        unpickler.load()  # the magic number
        unpickler.load()  # the protocol
        system = unpickler.load()
        if not (isinstance(system, dict) and system.get("little_endian", True)) or sys.byteorder != "little":
            raise pickle.UnpicklingError("its tensors are big-endian")
        reader = _Unpickler(file, allowed, size)
        content = reader.load()
        keys = _Unpickler(file, allowed, size).load()
        if not isinstance(keys, list) or set(keys) != reader.storages.keys():
            raise pickle.UnpicklingError("its list of storages does not match its tensors")
        for key in keys:
            _fill(reader.storages[key], file)
        return content


def _fill(values: Tensor, file: IO[bytes]) -> None:
    """The next storage of the file, into the tensor over the whole of it: its length, then its values."""
    length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
    data = file.read(values.nbytes)
    if length != len(values) or len(data) != values.nbytes:
        raise EOFError("a tensor's values are cut off")
    if data:
        values.copy_(torch.frombuffer(bytearray(data), dtype=values.dtype))


class _Unpickler(pickle._Unpickler):
    """Resolves names of the allow-list, tensors and plain containers; nothing else.

    The unpickler written in Python: the one in C reserves as many memo slots as a file of a few bytes asks for.
    """

    def __init__(self, file: IO[bytes], allowed: Mapping[str, type], file_size: int) -> None:
        super().__init__(file)
        self._allowed, self._room = allowed, file_size
        self.storages: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str, /) -> Any:
        dotted = f"{module}.{name}"
        found = self._allowed.get(dotted) or _SAFE.get(dotted) or _STORAGE_DTYPES.get(dotted)
        if found is None:
            raise pickle.UnpicklingError(f"{dotted} is not allowed")
        return found

    def persistent_load(self, pid: Any, /) -> object:
        """A storage, as a tensor over the whole of it that gets its values later; or a class with its source."""
        if pid[0] == "module" and pid[1] in self._allowed.values():
            return pid[1]
        kind, dtype, key, _, length, *view = pid
        if kind != "storage" or not isinstance(dtype, torch.dtype) or any(view):
            raise pickle.UnpicklingError(f"a reference to a {str(kind)[:40]} is not allowed")
        if key not in self.storages:
            self._room -= length * dtype.itemsize
            if length < 0 or self._room < 0:
                raise EOFError("its tensors are larger than the file")
            self.storages[key] = torch.zeros(length, dtype=dtype)
        return self.storages[key]


def _rebuild_tensor(storage: Tensor, offset: int, size: Any, stride: Any, *_: object) -> Tensor:
    """A view of a storage; torch checks that it lies inside."""
    return torch.as_strided(storage, size, stride, offset)


def _rebuild_parameter(values: Tensor, *_: object) -> Tensor:
    return values


_SAFE: dict[str, Callable[..., object]] = {
    "collections.OrderedDict": OrderedDict,
    "builtins.set": set,
    "__builtin__.set": set,
    "torch.Size": torch.Size,
    "torch._utils._rebuild_tensor": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
}
