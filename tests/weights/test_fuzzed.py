"""Any bytes are read or refused as weights, soon; what is read is what Python's own pickle makes of them."""

import contextlib
import io
import pickle
import struct
import time
import zipfile
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from torch import nn

from entrypoint.errors import WeightsError
from entrypoint.weights.classic.budget import Budget
from entrypoint.weights.classic.nodes import ALLOWED
from entrypoint.weights.classic.pickled import imports, read_checkpoint
from entrypoint.weights.classic.unpickler import Unpickler
from tests.weights.hostile.assemble import as_legacy, as_zip, long1, named, plain, storage, tensor, text, whole
from tests.weights.hostile.tensors import VALUES

MOST_SECONDS = 1
FUZZING = settings(max_examples=600, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def saved(legacy: bool) -> bytes:
    file = io.BytesIO()
    content = {"model": nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2)), "epoch": -1, "names": ["a", "b"]}
    torch.save(content, file, _use_new_zipfile_serialization=not legacy)
    return file.getvalue()


def pickle_of(archive: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return opened.read("archive/data.pkl")


ZIP, LEGACY = saved(False), saved(True)
PICKLE = pickle_of(ZIP)


@st.composite
def mutated(draw: st.DrawFn, original: bytes) -> bytes:
    """The original with some bytes changed, removed, put in, or written twice."""
    data = bytearray(original)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 12)))
        part = bytes(data[start:end])
        data[start:end] = draw(st.binary(max_size=8) | st.just(part * 2) | st.sampled_from(PIECES))
    return bytes(data)


PLAIN_PIECES = [
    *(bytes([code]) for code in b"N)]}(0129.\x85\x86\x87\x88\x89\x8f\x90\x94aelstud"),
    *(b"h\0", b"h\1", b"q\0", b"q\1", b"j\0\0\0\0", b"r\0\0\0\0", b"\x80\4", b"\x95" + bytes(8)),
    *(b"K\0", b"M\1\1", b"J\xff\xff\xff\xff", b"\x8a\0", b"\x8b\1\0\0\0\x80", long1(1 << 61), long1((1 << 61) - 2)),
    *(b"G" + struct.pack(">d", value) for value in (0.0, -1.5, float("inf"), float("nan"))),
    *(text(value) for value in ("", "a", "\ud800")),
    *(b"\x8c\1b", b"\x8d\1" + bytes(7) + b"c", b"C\1x", b"B\1\0\0\0y", b"\x8e" + bytes(8), b"U\1z", b"T\0\0\0\0"),
]
PIECES = [
    *PLAIN_PIECES,
    *(b"R", b"\x81", b"b", b"Q", b"\x93", b"o", b"\x92", b"\x96", b"\x97", b"\x98", b"\x91", b"\x82\1", b"\xff"),
    *(named(name) for name in sorted(ALLOWED)[::9]),
    *(named(f"torch._utils._rebuild_{name}") for name in ("tensor_v2", "parameter")),
    *(named(name) for name in ("torch._tensor._rebuild_from_type_v2", "torch.Size", "__builtin__.set")),
    *(named(name) for name in ("collections.OrderedDict", "posix.system", "torch.FloatStorage")),
    *(text("storage"), text("0"), text("state"), plain(16), storage(plain(16)), b"Jx", b"X\xff\xff\xff\xff", b"cos\n"),
    tensor(storage(plain(16)), plain(0), plain((4, 4)), plain((4, 1))),
]


def is_read_or_refused(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    start = time.process_time()
    try:
        read_checkpoint(path)
    except WeightsError as error:
        assert str(error)
    with contextlib.suppress(WeightsError, zipfile.BadZipFile):
        imports(path)
    assert time.process_time() - start < MOST_SECONDS


@FUZZING
@given(st.one_of(mutated(ZIP), mutated(LEGACY), st.binary(max_size=100).map(b"PK\3\4".__add__)))
@example(b"")
@example(b"PK\3\4")
@example(ZIP[:-22])
@example(LEGACY[:-1])
def test_any_file(tmp_path: Path, data: bytes) -> None:
    is_read_or_refused(tmp_path / "weights", data)


@FUZZING
@given(mutated(PICKLE), st.booleans())
def test_any_change_of_an_honest_pickle(tmp_path: Path, opcodes: bytes, legacy: bool) -> None:
    is_read_or_refused(tmp_path / "weights", as_legacy(opcodes) if legacy else as_zip(opcodes, {"0": VALUES}))


@FUZZING
@given(st.lists(st.sampled_from(PIECES), max_size=40).map(b"".join), st.booleans())
@example(named("models.common.Conv") + b")\x81q\0h\0b", False)
@example(named("models.common.Conv") + plain([1]) + b"\x81", False)
@example(storage(plain(16)) + storage(plain(16)) + b"\x86Q", False)
@example(b"}" + tensor(storage(plain(16)), plain(0), plain(()), plain(())) + b"Ns", True)
@example(named("models.common.Conv") + tensor(storage(plain(16)), plain(0), plain(()), plain(())) + b"\x81", True)
def test_any_opcodes(tmp_path: Path, opcodes: bytes, legacy: bool) -> None:
    content = whole(opcodes)
    is_read_or_refused(
        tmp_path / "weights", as_legacy(content, [("0", 16, VALUES)]) if legacy else as_zip(content, {"0": VALUES})
    )


def nothing_persistent(_: object) -> object:
    raise pickle.UnpicklingError("nothing is")


def loaded(content: bytes) -> object:
    return Unpickler(ALLOWED, nothing_persistent, Budget(1 << 20)).load(content, 0)[0]


@settings(max_examples=1500)
@given(st.lists(st.sampled_from(PLAIN_PIECES), max_size=24).map(b"".join))
@example(b"(" + b"]" + b"q\0" + b"h\0" + b"a" + b"t")
@example(b"(K\0" + b"1" + b"N")
@example(b"N\x94]\x94h\0q\1h\1")
def test_what_is_read_is_what_pickle_reads(opcodes: bytes) -> None:
    try:
        found = loaded(whole(opcodes))
    except (pickle.UnpicklingError, EOFError):
        return
    assert repr(found) == repr(pickle.loads(whole(opcodes)))


SCALARS = (
    st.none() | st.booleans() | st.integers(-(1 << 60), 1 << 60) | st.floats(allow_nan=False) | st.text(max_size=9)
)
PLAIN = st.recursive(
    SCALARS | st.integers(-(1 << 500), 1 << 500),
    lambda values: (
        st.lists(values)
        | st.lists(values, max_size=5).map(tuple)
        | st.dictionaries(SCALARS | st.tuples(SCALARS, SCALARS), values)
        | st.sets(SCALARS)
    ),
)


@settings(max_examples=150)
@given(PLAIN, st.sampled_from([2, 3, 4, 5]))
def test_honest_values_come_back(value: object, protocol: int) -> None:
    assert loaded(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("protocol", [0, 1])
def test_protocols_before_2_are_refused(protocol: int) -> None:
    with pytest.raises(pickle.UnpicklingError, match="which torch never writes"):
        loaded(pickle.dumps([1 << 40, True, object], protocol))
