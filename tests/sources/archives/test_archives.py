"""The members of an archive are found and read where they lie, in every format, and what cannot be read says why."""

import bz2
import gzip
import io
import lzma
import os
import random
import stat
import struct
import tarfile
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from entrypoint.sources.archives.member import Archive, ArchiveError
from entrypoint.sources.archives.opening import open_archive
from entrypoint.sources.extent import Extent
from entrypoint.values import Failure

MOST = 1 << 26
FILES = {
    "a.jpg": b"first" * 1000,
    "deep/er/b.png": random.Random(0).randbytes(70_000),
    "empty.txt": b"",
    "ü 🙂.jpg": b"x",
}


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=150)


def stored(files: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("folder/", b"")
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def tar(files: dict[str, bytes], kind: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=kind) as archive:
        for name, data in files.items():
            header = tarfile.TarInfo(name)
            header.size = len(data)
            archive.addfile(header, io.BytesIO(data))
    return buffer.getvalue()


MAKERS: dict[str, Callable[[dict[str, bytes]], bytes]] = {
    "stored zip": stored,
    "deflated zip": lambda files: stored(files, zipfile.ZIP_DEFLATED),
    "bzip2 zip": lambda files: stored(files, zipfile.ZIP_BZIP2),
    "lzma zip": lambda files: stored(files, zipfile.ZIP_LZMA),
    "pax tar": tar,
    "gnu tar": lambda files: tar(files, tarfile.GNU_FORMAT),
    "tar.gz": lambda files: gzip.compress(tar(files)),
    "tar.bz2": lambda files: bz2.compress(tar(files), 1),
    "tar.xz": lambda files: lzma.compress(tar(files)),
    "tar.zst": lambda files: zstd.compress(tar(files)),
}


def opened(folder: Path, data: bytes, name: str = "archive") -> Archive:
    (folder / name).write_bytes(data)
    found = open_archive(str(folder / name))
    assert found is not None
    return found


def contents(archive: Archive) -> tuple[dict[str, bytes | str], str | None]:
    """What each member holds, or the kind of its failure; and the kind of the archive's own."""
    listed, broken = [], None
    try:
        for one in archive.members():
            head = one.member.failure or one.head(100)
            listed.append((one.number, one.member, head))
    except ArchiveError as error:
        broken = error.failure.kind
    found: dict[str, bytes | str] = {}
    for number, member, head in listed:
        data = member.failure or archive.read(number, MOST)
        found[member.name] = data.kind if isinstance(data, Failure) else data
        if not isinstance(data, Failure):
            assert isinstance(head, bytes) and data.startswith(head) and len(head) == min(100, len(data))
    return found, broken


@pytest.mark.parametrize("kind", MAKERS)
def test_every_member_of_every_format_is_read(tmp_path: Path, kind: str) -> None:
    assert contents(opened(tmp_path, MAKERS[kind](FILES))) == (FILES, None)


@pytest.mark.parametrize("kind", MAKERS)
@settings(max_examples=10)
@given(
    files=st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=150),
        st.binary(max_size=2000),
        min_size=1,
        max_size=6,
    )
)
def test_any_members_of_every_format_are_read(
    tmp_path_factory: pytest.TempPathFactory, kind: str, files: dict[str, bytes]
) -> None:
    files = {f"f/{name}": data for name, data in files.items()}
    assert contents(opened(tmp_path_factory.mktemp("x"), MAKERS[kind](files))) == (files, None)


@pytest.mark.parametrize("kind", ["stored zip", "pax tar"])
def test_members_that_are_not_packed_lie_in_the_file(tmp_path: Path, kind: str) -> None:
    data = MAKERS[kind](FILES)
    archive = opened(tmp_path, data)
    for one in archive.members():
        with archive.extent(one.number) as extent:
            assert isinstance(extent, Extent) and extent.size is not None
            assert data[extent.start : extent.start + extent.size] == FILES[one.member.name]


def test_members_of_a_compressed_tar_may_be_asked_for_in_any_order(tmp_path: Path) -> None:
    archive = opened(tmp_path, MAKERS["tar.gz"](FILES))
    names = [one.member.name for one in archive.members()]
    assert archive.in_order
    for number in (1, 1, 3, 0, 2):
        assert archive.read(number, MOST) == FILES[names[number]]


def test_a_compressed_tar_in_several_parts(tmp_path: Path) -> None:
    data = tar(FILES)
    parts = [data[:30_000], data[30_000:]]
    for compress in (gzip.compress, bz2.compress, lzma.compress, zstd.compress):
        assert contents(opened(tmp_path, b"".join(map(compress, parts)))) == (FILES, None)


def test_a_zip_behind_other_bytes_and_with_a_comment(tmp_path: Path) -> None:
    buffer = io.BytesIO(stored(FILES))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.comment = b"PK\x05\x06 comment"
    assert contents(opened(tmp_path, b"PK\x03\x04 before" + buffer.getvalue())) == (FILES, None)


def test_a_zip_with_wide_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 3)  # so that so few are written as more than 65,535 are
    buffer = io.BytesIO(stored(FILES))
    with zipfile.ZipFile(buffer, "a") as archive, archive.open("large", "w", force_zip64=True) as member:
        member.write(b"data")
    assert b"PK\x06\x06" in buffer.getvalue()
    assert contents(opened(tmp_path, buffer.getvalue())) == (FILES | {"large": b"data"}, None)


def test_what_is_no_archive(tmp_path: Path) -> None:
    for data in (b"", b"text", gzip.compress(b"no tar in here"), gzip.compress(b""), bytes(1024)):
        (tmp_path / "x").write_bytes(data)
        assert open_archive(str(tmp_path / "x")) is None


def lost(data: bytes) -> bytes:
    return data[: len(data) * 6 // 10]


@pytest.mark.parametrize("kind", MAKERS)
def test_a_cut_archive_gives_what_is_there_and_says_that_it_is_cut(tmp_path: Path, kind: str) -> None:
    files = {f"{number}.jpg": random.Random(number).randbytes(40_000) for number in range(10)}
    found, broken = contents(opened(tmp_path, lost(MAKERS[kind](files)), "x.tar"))
    assert broken == "truncated"
    whole = {name: data for name, data in found.items() if isinstance(data, bytes)}
    assert whole == {name: files[name] for name in whole}
    assert len(whole) >= (0 if "zip" in kind else 3)


def test_a_cut_tar_is_told_wherever_the_cut_is(tmp_path: Path) -> None:
    data = tar({"a.jpg": bytes(600), "b.jpg": bytes(100)})
    ends = [513, 1000, 1111, 1535, 1537, 1600, 2047, 2048, 2049, 2500, 2559]
    assert {end: contents(opened(tmp_path, data[:end]))[1] for end in ends} == dict.fromkeys(ends, "truncated")
    # Where a member ends a tar may end, too.
    assert contents(opened(tmp_path, data[:1536])) == ({"a.jpg": bytes(600)}, None)


def patched(data: bytes, place: int, new: bytes) -> bytes:
    return data[:place] + new + data[place + len(new) :]


def test_a_damaged_header_in_a_tar_ends_it_with_a_word(tmp_path: Path) -> None:
    data = patched(tar({"a.jpg": bytes(10), "b.jpg": bytes(10)}), 1024 + 3, b"\xff")
    assert contents(opened(tmp_path, data)) == ({"a.jpg": bytes(10)}, "damaged")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_member_of_a_zip_costs_itself_alone(tmp_path: Path, method: int) -> None:
    files = {f"{number}.jpg": bytes(range(256)) * 40 for number in range(3)}
    data = stored(files, method)
    place = data.index(b"1.jpg") + 40
    found, broken = contents(opened(tmp_path, patched(data, place, b"\xff\xfe\x00\x01")))
    assert broken is None
    assert (found["0.jpg"], found["2.jpg"]) == (files["0.jpg"], files["2.jpg"])
    assert found["1.jpg"] in ("damaged", "truncated")


@settings(max_examples=150)
@given(st.data())
def test_no_damage_to_an_archive_raises_anything(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    whole = MAKERS[data.draw(st.sampled_from(sorted(MAKERS)))](SMALL)
    broken = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(whole) - 1))
        piece = data.draw(st.binary(min_size=1, max_size=4))
        broken[place : place + len(piece)] = piece
    folder = tmp_path_factory.mktemp("x")
    (folder / "x").write_bytes(broken)
    archive = open_archive(str(folder / "x"))
    if archive is not None:
        contents(archive)


SMALL = {"a.jpg": b"first" * 50, "deep/b.png": bytes(range(256)) * 3}


def linked() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE):
            header = tarfile.TarInfo(f"{kind.decode()}.jpg")
            header.type, header.linkname = kind, "/etc/passwd"
            archive.addfile(header)
        header = tarfile.TarInfo("last.jpg")
        header.size = 4
        archive.addfile(header, io.BytesIO(b"last"))
    return buffer.getvalue()


def linked_zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        link = zipfile.ZipInfo("link.jpg")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    return buffer.getvalue()


def encrypted() -> bytes:
    data = bytearray(stored({"a.jpg": b"secret"}))
    for sign, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = data.rindex(sign) + at
        data[place] |= 1
    return bytes(data)


def of_method(method: int) -> bytes:
    data = bytearray(stored({"a.jpg": b"data"}))
    for sign, at in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        place = data.rindex(sign) + at
        data[place : place + 2] = struct.pack("<H", method)
    return bytes(data)


ODD: dict[str, tuple[Callable[[], bytes], dict[str, str | bytes]]] = {
    "links and devices in a tar": (linked, {"2.jpg": "link", "1.jpg": "link", "last.jpg": b"last"}),
    "a link in a zip": (linked_zip, {"link.jpg": "link"}),
    "an encrypted member": (encrypted, {"folder/": "", "a.jpg": "encrypted"}),
    "Deflate64": (lambda: of_method(9), {"a.jpg": "unsupported"}),
    "an unknown method": (lambda: of_method(77), {"a.jpg": "unsupported"}),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_members(tmp_path: Path, name: str) -> None:
    make, expected = ODD[name]
    found, broken = contents(opened(tmp_path, make()))
    assert (found, broken) == ({name: kind for name, kind in expected.items() if kind}, None)


def overlapping(times: int = 1000) -> bytes:
    """A zip whose entries all have the same bytes: it unpacks to far more than deflate alone could."""
    buffer = io.BytesIO(stored({"a.jpg": bytes(1 << 20)}, zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(buffer) as archive:
        end = archive.start_dir
    data = buffer.getvalue()
    entry = data[data.rindex(b"PK\x01\x02") : data.rindex(b"PK\x05\x06")]
    ending = bytearray(data[data.rindex(b"PK\x05\x06") :])
    directory = b"".join(entry.replace(b"a.jpg", b"%05d" % number) for number in range(times))
    ending[8:20] = struct.pack("<2H2L", times, times, len(directory), end)
    return data[:end] + directory + bytes(ending)


def lying(size: int) -> bytes:
    """A zip whose only member says that it unpacks to so many bytes."""
    data = bytearray(stored({"a.jpg": b"data" * 9}, zipfile.ZIP_DEFLATED))
    place = data.rindex(b"PK\x01\x02") + 24
    data[place : place + 4] = struct.pack("<L", size)
    return bytes(data)


def declared(kind: bytes, size: int) -> bytes:
    """A tar whose first header tells of `size` bytes that follow it, and are not there."""
    header = tarfile.TarInfo("a.jpg")
    header.type, header.size = kind, size
    return header.tobuf(tarfile.GNU_FORMAT) + bytes(512)


BOMBS: dict[str, tuple[Callable[[], bytes], set[str | None]]] = {
    # what, how to make it, kinds of failure that it may give, of the archive or its members
    "zeros in a zip": (lambda: stored({"a.jpg": bytes(1 << 27)}, zipfile.ZIP_DEFLATED), {"too_large"}),
    "a zip of the same bytes a thousand times": (overlapping, {"damaged"}),
    "a zip that says 4 GB": (lambda: lying(0xFFFFFFF0), {"too_large", "truncated"}),
    "zeros in a tar.gz": (lambda: gzip.compress(tar({"a.jpg": bytes(1 << 27)}), 9), {"too_large"}),
    "zeros in a tar.xz": (lambda: lzma.compress(tar({"a.jpg": bytes(1 << 27)}), preset=0), {"too_large"}),
    "zeros in a tar.zst": (lambda: zstd.compress(tar({"a.jpg": bytes(1 << 27)})), {"too_large"}),
    "a name of 8 GB": (lambda: declared(b"L", 8 << 30), {"damaged"}),
    "an extended header of 8 GB": (lambda: declared(b"x", 8 << 30), {"damaged"}),
    "an extended header of 8 GB in gzip": (lambda: gzip.compress(declared(b"x", 8 << 30)), {"damaged"}),
    "a file of 8 EB": (lambda: declared(b"0", 1 << 62), {"truncated", "too_large"}),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_take_neither_time_nor_memory(tmp_path: Path, name: str) -> None:
    make, kinds = BOMBS[name]
    archive = opened(tmp_path, make())
    began = time.process_time()
    tracemalloc.start()
    found, broken = contents(archive)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert {*(kind for kind in found.values() if isinstance(kind, str)), broken} - {None} <= kinds
    assert not any(isinstance(data, bytes) for data in found.values())
    assert time.process_time() - began < 3 and peak < 48 << 20


def sized(size: int) -> bytes:
    """A tar whose header tells of so many bytes in base 256."""
    header = bytearray(declared(b"0", 0)[:512])
    header[124:136] = b"\x80" + size.to_bytes(11, "big")
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


def extended(size: bytes) -> bytes:
    """A tar whose member has its size, in decimal digits, from an extended header."""
    header = tarfile.TarInfo("a.jpg")
    header.size, header.pax_headers = 3, {"size": size.decode()}
    return header.tobuf(tarfile.PAX_FORMAT) + bytes(512)


def far(**numbers: int) -> bytes:
    """A zip whose last member has these of the three numbers `size`, `packed` and `place` in 64 bits."""
    data = stored({"a.jpg": b"data", "b.jpg": b"more"})
    begin = data.rindex(b"PK\x01\x02")
    entry = bytearray(data[begin : begin + 46 + 5])
    for name, at in (("size", 24), ("packed", 20), ("place", 42)):
        if name in numbers:
            struct.pack_into("<L", entry, at, 0xFFFFFFFF)
    wide = b"".join(struct.pack("<Q", numbers[name]) for name in ("size", "packed", "place") if name in numbers)
    extra = struct.pack("<2H", 1, len(wide)) + wide
    struct.pack_into("<H", entry, 30, len(extra))
    end = data.rindex(b"PK\x05\x06")
    ending = bytearray(data[end:])
    struct.pack_into("<L", ending, 12, struct.unpack_from("<L", ending, 12)[0] + len(extra))
    return data[:begin] + bytes(entry) + extra + data[begin + 51 : end] + bytes(ending)


@pytest.mark.parametrize(
    "make",
    [lambda: sized(2**63), lambda: sized(2**80), lambda: extended(b"9" * 19), lambda: extended(b"9" * 5000)],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_size_in_a_tar_that_no_file_has_is_damage(
    tmp_path: Path, make: Callable[[], bytes], pack: Callable[[bytes], bytes]
) -> None:
    assert contents(opened(tmp_path, pack(make()))) == ({}, "damaged")


@pytest.mark.parametrize("name", ["size", "packed", "place"])
@pytest.mark.parametrize("number", [2**62, 2**63, 2**64 - 1])
def test_a_number_in_a_zip_that_no_file_has_costs_the_member_alone(tmp_path: Path, name: str, number: int) -> None:
    archive = opened(tmp_path, far(**{name: number}))
    found, broken = contents(archive)
    assert found.pop("b.jpg") in ("damaged", "truncated", "too_large")
    assert (found, broken) == ({"a.jpg": b"data"}, None)
    assert [archive.extent(one) is not None for one in (1, 2)] == [True, True]


def test_fields_for_all_members_of_a_tar_that_nobody_asks_for_take_no_time(tmp_path: Path) -> None:
    fields = b"".join(b"22 GNU.sparse%05x=xy\n" % number + b"15 %07d=xyz\n" % number for number in range(28_000))
    header = tarfile.TarInfo("all")
    header.type, header.size = b"g", len(fields)
    beginning = (header.tobuf(tarfile.GNU_FORMAT) + fields).ljust(-(-(512 + len(fields)) // 512) * 512, b"\0")
    member = tarfile.TarInfo("a.txt").tobuf(tarfile.GNU_FORMAT)
    archive = opened(tmp_path, beginning + member * 3000 + bytes(1024))
    began = time.process_time()
    assert {one.member.failure.kind for one in archive.members() if one.member.failure} == {"unsupported"}
    assert time.process_time() - began < 2


def test_a_file_that_vanishes(tmp_path: Path) -> None:
    archive = opened(tmp_path, stored(FILES))
    numbers = [one.number for one in archive.members()]
    os.unlink(archive.path)  # noqa: PTH108
    failure = archive.read(numbers[0], MOST)
    assert isinstance(failure, Failure) and failure.kind == "vanished"
