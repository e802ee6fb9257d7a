"""A file that calls itself an archive is read as one, or is a failed input: none is left out without a word."""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from entrypoint.sources.archives.names import safe_name
from entrypoint.sources.listing import Listing
from entrypoint.sources.medium import FailedMedium, first_image
from entrypoint.sources.samples import DEMO_SCENES, DEMO_WEIGHTS
from entrypoint.sources.scan import scan
from entrypoint.text import printable
from entrypoint.values import Failure
from tests.conftest import Ended, records
from tests.sources.archives.test_archives import stored, tar

Run = Callable[..., Ended]
SCENES = {f"{number}.png": path.read_bytes() for number, path in enumerate(sorted(DEMO_SCENES.iterdir()))}
SHELL = b"#!/bin/sh\nunzip $0\nexit\n" + b"# a comment\n" * 3
LONG_SHELL = b"#!/bin/sh\n" + b"# a comment\n" * 2000
PROGRAM = b"MZ\x90\0\x03\0\0\0" + bytes(range(256)) * 40


def adjusted(data: bytes) -> bytes:
    """A self-extracting zip whose places count from the start of the file, as `zip -A` makes it."""
    buffer = io.BytesIO(data)
    with zipfile.ZipFile(buffer, "a") as archive:  # which writes the directory anew
        archive.comment = b""
        archive._didModify = True  # type: ignore[attr-defined]
    return buffer.getvalue()


def bad_checksum(data: bytes, at: int = 0) -> bytes:
    place = at + 148
    return data[:place] + b"0000000\0" + data[place + 8 :]


def failures(listing: Listing) -> dict[str, Failure | None]:
    return {medium.file: medium.failure if isinstance(medium, FailedMedium) else None for medium in listing}


SELF_EXTRACTING = {
    "shell": SHELL + stored(SCENES),
    "long shell": LONG_SHELL + stored(SCENES),
    "program": PROGRAM + stored(SCENES, zipfile.ZIP_DEFLATED),
    "adjusted": adjusted(PROGRAM + stored(SCENES)),
}


@pytest.mark.parametrize("name", ["x.zip", "x.exe", "76813c2d-b52b-47af-95fb-e92c1b0b2783", "x.ZIP"])
@pytest.mark.parametrize("stub", SELF_EXTRACTING)
def test_a_zip_that_extracts_itself_is_a_zip_wherever_it_lies(tmp_path: Path, stub: str, name: str) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    path = tmp_path / "deep" / "er" / name
    path.write_bytes(SELF_EXTRACTING[stub])
    (tmp_path / "list.txt").write_text(f"deep/er/{name}\n")
    for source, prefix in (
        (tmp_path / "deep", f"er/{name}"),
        (path, name),
        (tmp_path / "deep" / "*" / "*", f"er/{name}"),
        (tmp_path / "list.txt", f"deep/er/{name}"),
    ):
        listing = scan(str(source))
        if "*" in str(source):
            prefix = next(iter(listing.files)).rpartition("/")[0]
            assert prefix.endswith(name)
        assert list(listing.files) == [f"{prefix}/{one}" for one in sorted(SCENES)]
        assert not any(isinstance(first_image(medium), Failure) for medium in listing)


def test_a_zip_with_a_comment_behind_it_and_bytes_before_it(tmp_path: Path) -> None:
    buffer = io.BytesIO(stored(SCENES))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.comment = b"thank you"
    (tmp_path / "x.zip").write_bytes(SHELL + buffer.getvalue())
    assert len(scan(str(tmp_path))) == len(SCENES)


UNREADABLE = {
    # file: content, kind of failure, words of it
    "text.zip": (b"nothing but text\n" * 40, "damaged", "its content is plain text: expected a zip or tar archive"),
    "page.zip": (b"<!DOCTYPE html><html></html>", "damaged", "its content is an HTML page"),
    "empty.zip": (b"", "empty", "0 bytes"),
    "empty.tar": (b"", "empty", "0 bytes"),
    "cut.zip": (stored(SCENES)[:-30], "truncated", "without the directory"),
    "noise.zip": (bytes(range(256)) * 20, "damaged", "its content is of no known type"),
    "first.tar": (bad_checksum(tar(SCENES)), "damaged", "does not have the checksum that it tells"),
    "noise.tar": (bytes(range(256)) * 20, "damaged", "its content is of no known type"),
    "noise.tar.gz": (bytes(range(1, 256)) * 20, "damaged", "its content is of no known type"),
    "damaged.tar.gz": (gzip.compress(tar(SCENES))[:40] + bytes(400), "damaged", "cannot be unpacked"),
    "x.7z": (
        b"7z\xbc\xaf\x27\x1c" + bytes(50),
        "unsupported",
        "7z archive, which is not read: unpack it",
    ),
    "x.rar": (b"Rar!\x1a\x07\x01\0" + bytes(50), "unsupported", "RAR archive, which is not read"),
    "text.rar": (b"nothing but text\n" * 40, "damaged", "its content is plain text"),
    "rar": (b"Rar!\x1a\x07\x01\0" + bytes(50), "unsupported", "RAR archive, which is not read"),
    "7z": (b"7z\xbc\xaf\x27\x1c" + bytes(50), "unsupported", "7z archive, which is not read"),
    "tar": (bad_checksum(tar(SCENES)), "damaged", "a tar archive whose first header"),
    "packed.gz": (gzip.compress(bad_checksum(tar(SCENES))), "damaged", "no tar header where one is expected"),
    "packed": (gzip.compress(bad_checksum(tar(SCENES))), "damaged", "no tar header where one is expected"),
    "zeros.tar": (bytes(1 << 20), "damaged", "its content is of no known type"),
    "x.tar.lz4": (b"\x04\x22\x4d\x18\0\0", "damaged", "its content is of no known type"),
    "x.tar.002": (bytes(range(256)) * 20, "damaged", "its content is of no known type"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_an_archive_that_cannot_be_read_is_a_failed_input_wherever_it_lies(tmp_path: Path, name: str) -> None:
    data, kind, words = UNREADABLE[name]
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "deep" / name).write_bytes(data)
    (tmp_path / "in" / "a.png").write_bytes(SCENES["0.png"])
    (tmp_path / "list.txt").write_text(f"in/deep/{name}\n")
    for source in (tmp_path / "in", tmp_path / "in" / "deep" / name, tmp_path / "list.txt"):
        listing = scan(str(source))
        (failure,) = filter(None, failures(listing).values())
        assert failure.kind == kind and words in failure.detail, failure
        assert not listing.ignored


def test_what_comes_before_a_damaged_header_is_read(tmp_path: Path) -> None:
    data = tar(SCENES)
    third = data.index(b"2.png\0")
    (tmp_path / "x.tar").write_bytes(bad_checksum(data, third))
    found = failures(scan(str(tmp_path)))
    assert found.pop("x.tar") is not None
    assert found == {"x.tar/0.png": None, "x.tar/1.png": None}


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_members_behind_zeros_are_not_lost(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    one, other = tar({"a.png": SCENES["0.png"]}), tar({"b.png": SCENES["1.png"], "c.png": SCENES["2.png"]})
    (tmp_path / "joined.tar").write_bytes(pack(one + other))
    assert list(scan(str(tmp_path)).files) == [f"joined.tar/{name}.png" for name in "abc"]
    lost = other.index(b"c.png\0")
    (tmp_path / "joined.tar").write_bytes(pack(other[:lost] + bytes(512) + other[lost + 512 :]))
    found = failures(scan(str(tmp_path)))
    assert found.pop("joined.tar/b.png") is None
    assert [failure.kind for failure in found.values() if failure] == ["damaged"]


def test_a_zip_of_more_members_than_its_end_counts(tmp_path: Path) -> None:
    data = stored({name: SCENES[name] for name in ("0.png", "1.png")})
    end = data.rindex(b"PK\x05\x06")
    (tmp_path / "x.zip").write_bytes(data[: end + 8] + b"\1\0\1\0" + data[end + 12 :])
    assert list(scan(str(tmp_path)).files) == ["x.zip/0.png", "x.zip/1.png"]


def test_what_is_no_archive_of_files_is_ignored_as_before(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(SCENES["0.png"])
    (tmp_path / "labels.csv.gz").write_bytes(gzip.compress(b"a,b\n"))
    (tmp_path / "compressed").write_bytes(gzip.compress(b"a,b\n"))
    (tmp_path / "weights.zip").write_bytes(DEMO_WEIGHTS.read_bytes())
    (tmp_path / "weights").write_bytes(DEMO_WEIGHTS.read_bytes())
    (tmp_path / "notes").write_bytes(b"nothing but text\n" * 400)
    (tmp_path / "outer.zip").write_bytes(stored({"inner.zip": stored(SCENES), "b.png": SCENES["1.png"]}))
    listing = scan(str(tmp_path))
    assert failures(listing) == {"a.png": None, "outer.zip/b.png": None}
    assert sum(listing.ignored.values()) == 6


OTHERS = {
    "best.pth.tar": b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19." + bytes(90),  # a checkpoint of before torch 1.6
    "best.safetensors.tar": b"\2" + bytes(7) + b"{}",
    "engine.zip": b"ftrt" + bytes(90),
    "no members.tar": bytes(tarfile.RECORDSIZE),
    "x.tar.md5": b"d41d8cd98f00b204e9800998ecf8427e  x.tar\n",
    "x.tar.json": b"{}",
    "x.tar.idx": b"v1.2\n",
}


@pytest.mark.parametrize("name", OTHERS)
def test_weights_and_files_beside_an_archive_are_ignored_whatever_their_names(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.png").write_bytes(SCENES["0.png"])
    (tmp_path / name).write_bytes(OTHERS[name])
    for source in (tmp_path, tmp_path / "*"):
        listing = scan(str(source))
        assert failures(listing) == {"a.png": None} and sum(listing.ignored.values()) == 1


def test_a_list_of_paths_may_be_named_after_an_archive(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(SCENES["0.png"])
    (tmp_path / "x.tar.txt").write_text("a.png\n")
    assert list(scan(str(tmp_path / "x.tar.txt")).files) == ["a.png"]


def test_a_job_tells_of_an_archive_that_it_cannot_read(yolo_bac: Run, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(SCENES["0.png"])
    (tmp_path / "in" / "x.zip").write_bytes(SHELL + stored(SCENES))
    (tmp_path / "in" / "y.tar").write_bytes(bad_checksum(tar(SCENES)))
    assert yolo_bac("--demo", "--source", tmp_path / "in", "--project", tmp_path).code == 5
    found = records(tmp_path / "exp")
    assert len(found) == 2 + len(SCENES) and found["y.tar"]["failure"].startswith("damaged: ")
    assert sum(record["failure"] is None for record in found.values()) == 1 + len(SCENES)


LATIN = b"\xe9t\xe9.png"


def named_tar(names: list[bytes], kind: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=kind, encoding="utf-8", errors="surrogateescape") as archive:
        for name in names:
            header = tarfile.TarInfo(name.decode("utf-8", "surrogateescape"))
            header.size = len(SCENES["0.png"])
            archive.addfile(header, io.BytesIO(SCENES["0.png"]))
    return buffer.getvalue()


def named_zip(names: list[bytes], *, utf8: bool) -> bytes:
    """A zip whose names are these very bytes, with the flag that calls them UTF-8, or without."""
    places = {f"{number:03}".ljust(len(name), "x"): name for number, name in enumerate(names)}
    data = stored(dict.fromkeys(places, SCENES["0.png"]))
    for place, name in places.items():
        data = data.replace(place.encode(), name)
    for sign, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(sign)
        while utf8 and at >= 0:
            data = data[: at + flags + 1] + bytes([data[at + flags + 1] | 0x08]) + data[at + flags + 2 :]
            at = data.find(sign, at + 4)
    return data


PACKED = {
    "ustar": lambda names: named_tar(names, tarfile.USTAR_FORMAT),
    "gnu tar": lambda names: named_tar(names, tarfile.GNU_FORMAT),
    "pax tar": lambda names: named_tar(names, tarfile.PAX_FORMAT),
    "zip": lambda names: named_zip(names, utf8=True),
}


@pytest.mark.parametrize("kind", PACKED)
def test_a_name_that_is_not_utf_8_is_spelled_as_that_of_a_file(tmp_path: Path, kind: str) -> None:
    names = [LATIN, b"deep/" + LATIN, "été.png".encode(), b"plain.png"]
    if kind == "gnu tar":
        names.append(b"long" * 40 + LATIN)
    (tmp_path / "x").write_bytes(PACKED[kind](names))
    expected = {f"x/{printable(name.decode('utf-8', 'surrogateescape'))}" for name in names}
    listing = scan(str(tmp_path))
    assert set(listing.files) == expected and r"x/\xe9t\xe9.png" in expected
    assert not any(isinstance(first_image(medium), Failure) for medium in listing)


def test_a_zip_s_names_without_the_sign_of_utf_8_are_read_as_ever(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(named_zip([LATIN], utf8=False))
    assert list(scan(str(tmp_path)).files) == ["x/" + LATIN.decode("cp437")]


def test_two_names_never_become_one_input(tmp_path: Path) -> None:
    names = [b"\xe9.png", b"\\xe9.png", b"xe9.png", b"a/../xe9.png", b"xe9.png~2"]
    (tmp_path / "x").write_bytes(named_tar(names, tarfile.GNU_FORMAT))
    assert sorted(scan(str(tmp_path)).files) == sorted(
        ["x/\\xe9.png", "x/xe9.png", "x/xe9.png~2", "x/a/xe9.png", "x/xe9.png~2~2"]
    )


def test_a_backslash_of_windows_stays_a_separator() -> None:
    assert safe_name("a\\b.png") == "a/b.png" and safe_name("\udce9\\\udce9.png") == "\\xe9/\\xe9.png"
