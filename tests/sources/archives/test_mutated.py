"""Archives with changed bytes: every member is bytes or a failure, whatever its decompressor raises."""

import gzip
import random
import struct
import zlib
from pathlib import Path

import pytest
from backports import zstd

from entrypoint.sources.archives.member import ArchiveError
from entrypoint.sources.archives.opening import open_archive
from entrypoint.sources.samples import DEMO_SCENES
from entrypoint.values import Failure
from tests.conftest import Ended, records
from tests.run.test_archives import Run
from tests.sources.archives.test_archives import MAKERS, MOST, opened

DATA = sorted(DEMO_SCENES.iterdir())[0].read_bytes()[:6000]
MUTANTS, CHANGED = 60, 3
ZSTD, ZSTD_OLD = 93, 20


def zip_of(packed: bytes, data: bytes, method: int) -> bytes:
    """A zip archive of one member, `x.png`, with these packed bytes, called packed by that method."""
    name = b"x.png"
    fields = struct.pack("<4HL2L2H", 0, method, 0, 0, zlib.crc32(data), len(packed), len(data), len(name), 0)
    local = b"PK\x03\x04\x14\0" + fields + name + packed
    entry = b"PK\x01\x02\x14\0\x14\0" + fields + bytes(14) + name
    return local + entry + b"PK\x05\x06" + struct.pack("<4H2LH", 0, 0, 1, 1, len(entry), len(local), 0)


ARCHIVES = {kind: make({"x.png": DATA, "y.png": DATA[::-1]}) for kind, make in MAKERS.items()} | {
    "zstd zip": zip_of(zstd.compress(DATA), DATA, ZSTD),
    "old zstd zip": zip_of(zstd.compress(DATA), DATA, ZSTD_OLD),
}


def outcome(path: Path) -> set[str]:
    """What becomes of the members of an archive: `bytes`, or kinds of failures."""
    archive = open_archive(str(path))
    if archive is None:
        return set()
    found = set[str]()
    listed = []
    try:
        for one in archive.members():
            head = one.member.failure or one.head(100)
            found.add(head.kind if isinstance(head, Failure) else "bytes")
            if not one.member.failure:
                listed.append(one.number)
    except ArchiveError as error:
        found.add(error.failure.kind)
    for number in listed:
        data = archive.read(number, MOST)
        found.add(data.kind if isinstance(data, Failure) else "bytes")
    return found


@pytest.mark.parametrize("kind", ARCHIVES)
def test_a_member_with_changed_bytes_is_read_or_fails(tmp_path: Path, kind: str) -> None:
    chance, path = random.Random(kind), tmp_path / "x"
    for _ in range(MUTANTS):
        data = bytearray(ARCHIVES[kind])
        for place in chance.sample(range(len(data)), CHANGED):
            data[place] = chance.randrange(256)
        path.write_bytes(data)
        outcome(path)  # raises nothing


@pytest.mark.parametrize("method", [8, 12, 14, ZSTD_OLD, ZSTD])
@pytest.mark.parametrize("packed", [b"", b"\0", DATA, gzip.compress(DATA), zstd.compress(DATA)[:-40], bytes(5000)])
def test_a_member_that_is_not_packed_as_it_says_fails(tmp_path: Path, method: int, packed: bytes) -> None:
    archive = opened(tmp_path, zip_of(packed, DATA, method))
    (one,) = archive.members()
    data = archive.read(one.number, MOST)
    assert isinstance(data, Failure) and data.kind in ("damaged", "truncated")


@pytest.mark.parametrize("method", [ZSTD_OLD, ZSTD])
def test_a_job_with_a_member_that_is_no_zstd(yolo_bac: Run, tmp_path: Path, method: int) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "x.zip").write_bytes(zip_of(DATA, DATA, method))
    (tmp_path / "in" / "a.png").write_bytes(sorted(DEMO_SCENES.iterdir())[0].read_bytes())
    ended: Ended = yolo_bac("--demo", "--source", tmp_path / "in", "--project", tmp_path)
    assert ended.code == 5, ended.stderr
    found = records(tmp_path / "exp")
    assert found["x.zip/x.png"]["failure"].startswith("damaged: cannot be unpacked: ") and found["a.png"]["detections"]
