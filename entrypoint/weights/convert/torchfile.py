"""Write what `torch.save` writes of tensors and plain containers, without PyTorch."""

import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_STORAGES = {
    "float16": "HalfStorage",
    "float32": "FloatStorage",
    "float64": "DoubleStorage",
    "uint8": "ByteStorage",
    "int8": "CharStorage",
    "int16": "ShortStorage",
    "int32": "IntStorage",
    "int64": "LongStorage",
    "bool": "BoolStorage",
}
_ROOT = "archive"


def write(content: object, path: Path) -> None:
    """A zip archive of a pickle and the values of its tensors.

    `content`: dicts, lists, tuples, texts, numbers, None, and arrays, which become tensors.
    """
    pickled = _Pickle()
    pickled.add(content)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(f"{_ROOT}/data.pkl", b"\x80\x02" + b"".join(pickled.chunks) + b".")
        archive.writestr(f"{_ROOT}/byteorder", b"little")
        for number, values in enumerate(pickled.storages):
            archive.writestr(f"{_ROOT}/data/{number}", values.tobytes())
        archive.writestr(f"{_ROOT}/version", b"3\n")


class _Pickle:
    """Opcodes of protocol 2, in the making; `storages` are the arrays that they speak of."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.storages: list[NDArray[Any]] = []
        self._known: dict[int, int] = {}

    def add(self, value: Any) -> None:
        if value is None or isinstance(value, bool):
            self.chunks.append({None: b"N", True: b"\x88", False: b"\x89"}[value])
        elif isinstance(value, int):
            data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
            self.chunks.append(b"\x8a" + bytes([len(data)]) + data)
        elif isinstance(value, float):
            self.chunks.append(b"G" + struct.pack(">d", value))
        elif isinstance(value, str):
            text = value.encode("utf-8", "surrogatepass")
            self.chunks.append(b"X" + struct.pack("<I", len(text)) + text)
        elif isinstance(value, np.ndarray):
            self._tensor(value)
        elif isinstance(value, dict):
            self._items(b"}(", [part for item in value.items() for part in item], b"u")
        elif isinstance(value, list):
            self._items(b"](", value, b"e")
        elif isinstance(value, tuple):
            self._items(b"(", value, b"t")
        else:
            raise TypeError(f"a {type(value).__name__} is no plain value")

    def _items(self, start: bytes, values: Any, end: bytes) -> None:
        self.chunks.append(start)
        for value in values:
            self.add(value)
        self.chunks.append(end)

    def _tensor(self, array: NDArray[Any]) -> None:
        """As PyTorch calls for it: a storage, an offset, sizes and strides in values, no gradient, no hooks."""
        values = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
        number = self._known.setdefault(id(array), len(self.storages))
        if number == len(self.storages):
            self.storages.append(values)
        strides = tuple(stride // values.itemsize for stride in np.ascontiguousarray(values).strides[: values.ndim])
        self.chunks.append(b"ctorch._utils\n_rebuild_tensor_v2\n((")
        self.add("storage")
        self.chunks.append(f"ctorch\n{_STORAGES[array.dtype.name]}\n".encode())
        for name_or_size in (str(number), "cpu", array.size):
            self.add(name_or_size)
        self.chunks.append(b"tQ")
        for argument in (0, array.shape, strides, False):
            self.add(argument)
        self.chunks.append(b"ccollections\nOrderedDict\n)RtR")
