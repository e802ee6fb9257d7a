"""Files that mean harm by what is around the pickle: archives, legacy files, and what is neither."""

import io
import pickle
import random
import struct
import warnings
import zipfile

from entrypoint.sources.samples import DEMO_WEIGHTS
from tests.weights.hostile.assemble import as_legacy, as_zip, legacy_start, named, plain, storage, text, whole
from tests.weights.hostile.tensors import PB, VALUES

MILLION = 1_000_000
HONEST = whole(b"}")


def files() -> dict[str, bytes]:
    """Whole files by what they try."""
    return {**_archives(), **_lying_archives(), **_legacy(), **_neither()}


def _archive(*members: tuple[str, bytes], compression: int = zipfile.ZIP_STORED, comment: bytes = b"") -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", compression) as archive:
        warnings.simplefilter("ignore")  # of names that are there twice
        for name, data in members:
            archive.writestr(name, data)
        archive.comment = comment
    return file.getvalue()


def _archives() -> dict[str, bytes]:
    honest, values = ("a/data.pkl", HONEST), ("a/data/0", VALUES)
    system = whole(named("posix.system") + text("true") + b"\x85R")
    big = whole(b"}" + text("model") + storage(plain(16)) + b"s")
    return {
        "an archive of two pickles of one name": _archive(honest, ("a/data.pkl", system)),
        "an archive of two pickles in two folders": _archive(honest, ("b/data.pkl", system)),
        "an archive of a pickle further down": _archive(("a/b/c/data.pkl", HONEST), honest),
        "an archive whose pickle leads out of it": _archive(("../data.pkl", system)),
        "an archive of two storages of one name": _archive(("a/data.pkl", big), values, values),
        "an archive that is compressed": _archive(honest, values, compression=zipfile.ZIP_DEFLATED),
        "an archive of 100 MB of zeros, compressed": _archive(
            ("a/data.pkl", bytes(100 * MILLION)), compression=zipfile.ZIP_DEFLATED
        ),
        "an archive that is big-endian": _archive(honest, ("a/byteorder", b"big")),
        "an archive with a byte order of 1 MB": _archive(honest, ("a/byteorder", b"l" * MILLION)),
        "an archive with a pickle of 40 MB": _archive(("a/data.pkl", bytes(40 * MILLION))),
        "an archive of a storage too few": _archive(("a/data.pkl", big)),
        "an archive of 10,000 members": _archive(honest, *((f"a/data/{i}", b"") for i in range(10_000))),
        "an archive of 60,000 members": _archive(honest, *((f"a/data/{i}", b"") for i in range(60_000))),
        "an archive with a comment": _archive(honest, comment=b"PK\5\6" * 1000),
        "an archive of nothing": b"PK\3\4" + _archive(),
        "an archive with something behind it": _archive(honest) + bytes(100),
        "an archive behind a legacy start": legacy_start() + _archive(("a/data.pkl", system)),
        "an archive in an archive": _archive(("a/data.pkl", _archive(honest))),
    }


def _lying_archives() -> dict[str, bytes]:
    """Archives with a field of the directory, or of the local header, overwritten."""
    honest = as_zip(HONEST, {"0": VALUES})
    entry = honest.index(b"PK\1\2")
    end = honest.index(b"PK\5\6")

    def changed(offset: int, form: str, value: int) -> bytes:
        data = bytearray(honest)
        struct.pack_into("<" + form, data, offset, value)
        return bytes(data)

    zip64 = struct.pack("<HHQQ", 1, 16, PB, PB)
    longer = honest[: entry + 46 + 16] + zip64 + honest[entry + 46 + 16 :]
    with_zip64 = bytearray(longer)
    struct.pack_into("<II", with_zip64, entry + 20, 0xFFFFFFFF, 0xFFFFFFFF)
    struct.pack_into("<H", with_zip64, entry + 30, len(zip64))
    struct.pack_into("<I", with_zip64, end + len(zip64) + 12, end - entry + len(zip64))
    return {
        "an archive that is encrypted": changed(entry + 8, "H", 1),
        "an archive with data descriptors": changed(entry + 8, "H", 8),
        "an archive of an unknown compression": changed(entry + 10, "H", 77),
        "an archive with a member of 4 GB": changed(entry + 24, "I", 0xFFFFFFFE),
        "an archive with a member larger than stored": changed(entry + 24, "I", 40),
        "an archive with a member stored in 4 GB": changed(entry + 20, "I", 0xFFFFFFFE),
        "an archive with a member of 1 PB": bytes(with_zip64),
        "an archive with a member behind the end": changed(entry + 42, "I", 0xFFFFFF00),
        "an archive with a member that is another": changed(entry + 42, "I", entry),
        "an archive with a member in the header": changed(entry + 42, "I", 10),
        "an archive with a name of 64 KB": changed(26, "H", 0xFFFF),
        "an archive whose directory is all of it": changed(end + 12, "I", end),
        "an archive whose directory is 4 GB": changed(end + 12, "I", 0xFFFFFFFE),
        "an archive whose directory is elsewhere": changed(end + 16, "I", 0xFFFFFFFE),
        "an archive whose directory is at its start": changed(end + 16, "I", 0),
        "an archive of a later version": changed(entry + 6, "H", 99),
        "an archive whose names are no text": changed(entry + 46, "H", 0xFFFF)[: entry + 8]
        + b"\0\x08"
        + changed(entry + 46, "H", 0xFFFF)[entry + 10 :],
        **{
            f"a checkpoint cut at {part} %": DEMO_WEIGHTS.read_bytes()[: -(-DEMO_WEIGHTS.stat().st_size * part // 100)]
            for part in (1, 50, 99)
        },
    }


def _legacy() -> dict[str, bytes]:
    one = whole(b"}" + text("model") + storage(plain(16)) + b"s")
    honest = as_legacy(one, [("0", 16, VALUES)])
    many = pickle.dumps([str(i) for i in range(90_000)], 2)
    return {
        "a legacy file of 90,000 storages": legacy_start() + HONEST + many,
        "a legacy file of 30,000 storages that are there": _storages(30_000),
        "a legacy file whose keys are lists": legacy_start() + one + pickle.dumps([[]], 2) + bytes(100),
        "a legacy file whose keys are a dict": legacy_start() + one + pickle.dumps({"0": 0}, 2) + bytes(100),
        "a legacy file whose keys repeat": as_legacy(one, [("0", 16, VALUES), ("0", 16, VALUES)]),
        "a legacy file whose keys are others": as_legacy(one, [("1", 16, VALUES)]),
        "a legacy file with a length of 2^63": as_legacy(one, [("0", (1 << 63) - 1, VALUES)]),
        "a legacy file with a length of -1": as_legacy(one, [("0", -1, VALUES)]),
        "a legacy file cut in its values": honest[:-1],
        "a legacy file cut in its keys": honest[: -len(VALUES) - 10],
        "a legacy file cut in its object": legacy_start() + one[:-3],
        "a legacy file of its start alone": legacy_start(),
        "a legacy file that is big-endian": legacy_start(little_endian=False) + one,
        "a legacy file of another protocol": legacy_start().replace(b"M\xe9\x03", b"M\xea\x03", 1) + one,
        "a legacy file whose system is a list": legacy_start()[:15] + whole(b"M\xe9\x03") + whole(b"]") + one,
        "a legacy file of nothing but starts": legacy_start()[:15] * 100_000,
    }


def _storages(count: int) -> bytes:
    """A legacy file of so many storages without values."""
    cpu = text("cpu") + b"q\0" + text("storage") + b"q\1" + named("torch.FloatStorage") + b"q\x02000"
    ids = b"".join(b"(h\1h\2" + text(str(i)) + b"h\0K\0tQ0" for i in range(count))
    return as_legacy(whole(cpu + ids + b"}"), [(str(i), 0, b"") for i in range(count)])


def _neither() -> dict[str, bytes]:
    noise = random.Random(1)
    return {
        "0a ff": b"\x0a" + b"\xff" * 9 + b"\x7f" + bytes(40),
        "0a ff without end": b"\x0a" + b"\xff" * 100,
        "an ONNX field of 2^63": b"\x08\x08\x3a" + b"\xff" * 8 + b"\x7f",
        "ONNX fields without end": b"\x08\x08" * MILLION,
        "a safetensors header of 9 MB": struct.pack("<Q", 9 * MILLION) + b"{" + b"[" * 9 * MILLION,
        "noise": noise.randbytes(MILLION),
        "noise that starts as an archive": b"PK\3\4" + noise.randbytes(MILLION),
        "noise that starts as a legacy file": legacy_start()[:15] + noise.randbytes(MILLION),
        "nothing": b"",
    }
