"""Pickles, archives and legacy files put together byte by byte, so that each may lie where it wants."""

import io
import pickle
import pickletools
import struct
import zipfile
from collections.abc import Mapping, Sequence

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001


def plain(value: object) -> bytes:
    """The opcodes of an honest value, without those around it."""
    return pickletools.optimize(pickle.dumps(value, 2))[2:-1]


def whole(opcodes: bytes) -> bytes:
    return b"\x80\x02" + opcodes + b"."


def named(dotted: str) -> bytes:
    module, _, name = dotted.rpartition(".")
    return f"c{module}\n{name}\n".encode()


def text(value: str) -> bytes:
    data = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(data)) + data


def long1(value: int) -> bytes:
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def called(dotted: str, *arguments: bytes) -> bytes:
    return named(dotted) + b"(" + b"".join(arguments) + b"tR"


def node(dotted: str, state: bytes) -> bytes:
    return named(dotted) + b")\x81" + state + b"b"


def storage(length: bytes, key: bytes = text("0"), kind: str = "torch.FloatStorage", rest: bytes = b"") -> bytes:
    return b"(" + text("storage") + named(kind) + key + text("cpu") + length + rest + b"tQ"


def tensor(where: bytes, offset: bytes, size: bytes, stride: bytes) -> bytes:
    return called(
        "torch._utils._rebuild_tensor_v2", where, offset, size, stride, b"\x89", called("collections.OrderedDict")
    )


def as_zip(opcodes: bytes, storages: Mapping[str, bytes] | None = None) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", opcodes)
        archive.writestr("archive/version", b"3\n")
        for key, data in (storages or {}).items():
            archive.writestr(f"archive/data/{key}", data)
    return file.getvalue()


def legacy_start(little_endian: bool = True) -> bytes:
    system = {"protocol_version": PROTOCOL, "little_endian": little_endian}
    return b"".join(pickle.dumps(value, 2) for value in (MAGIC, PROTOCOL, system))


def as_legacy(opcodes: bytes, storages: Sequence[tuple[str, int, bytes]] = ()) -> bytes:
    """`storages`: of each its key, the length it claims, its bytes."""
    keys = pickle.dumps([key for key, _, _ in storages], 2)
    values = b"".join(struct.pack("<q", length) + data for _, length, data in storages)
    return legacy_start() + opcodes + keys + values
