"""What a file is, told from bytes that were made to mislead."""

import io
import os
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoint.sources.filetype import TORCH, TRUNCATED_ZIP, UNKNOWN, FileType, identify
from entrypoint.sources.zipdirectory import MAX_DIRECTORY_BYTES


@pytest.mark.parametrize("field", [0x0A, 0x3A, 0x42])
@pytest.mark.parametrize("length", [b"\xff" * 9 + b"\x7f", b"\xff" * 8 + b"\x7f", b"\xff" * 20, b"\xff\x7f"])
def test_a_field_longer_than_any_file_is_no_onnx_model(tmp_path: Path, field: int, length: bytes) -> None:
    path = tmp_path / "weights"
    path.write_bytes(bytes([field]) + length + bytes(50))
    assert identify(path) == UNKNOWN


def zipped(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return file.getvalue()


def test_a_checkpoint_is_known_by_its_directory(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(zipped("any/data.pkl"))
    assert identify(tmp_path / "weights") == TORCH


def test_an_archive_of_images_is_no_checkpoint_whatever_else_it_holds(tmp_path: Path) -> None:
    (tmp_path / "set").write_bytes(zipped("set/a.png", "set/data.pkl", "set/version", "set/data/0"))
    assert identify(tmp_path / "set") == FileType("archive", "zip archive")


def test_an_archive_of_very_many_members_is_no_checkpoint(tmp_path: Path) -> None:
    count = MAX_DIRECTORY_BYTES // 46
    (tmp_path / "weights").write_bytes(zipped("any/data.pkl", *map(str, range(count))))
    assert identify(tmp_path / "weights") == FileType("archive", "zip archive")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "weights")
    with pytest.raises(OSError, match="not a regular file"):
        identify(tmp_path / "weights")


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF, 1 << 20])
def test_a_directory_larger_than_the_file_is_an_archive_without_its_end(tmp_path: Path, size: int) -> None:
    data = bytearray(zipped("any/data.pkl"))
    struct.pack_into("<I", data, len(data) - 22 + 12, size)
    (tmp_path / "weights").write_bytes(data)
    assert identify(tmp_path / "weights") == TRUNCATED_ZIP


@given(st.sampled_from([b"", b"PK\x03\x04", b"\x08\x08\x3a", b'\x20\0\0\0\0\0\0\0{"']), st.binary(max_size=200))
def test_any_bytes_have_a_type(tmp_path_factory: pytest.TempPathFactory, start: bytes, rest: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any bytes"
    path.write_bytes(start + rest)
    assert isinstance(identify(path), FileType)
    path.write_bytes(zipped("any/data.pkl")[:40] + rest + zipped("any/data.pkl")[40:])
    assert isinstance(identify(path), FileType)
