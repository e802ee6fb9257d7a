"""When and where a photograph was taken: read from all kinds that have EXIF, and never a reason to fail."""

import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pillow_heif
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from entrypoint.exif import Exif
from entrypoint.sources.exif import read_exif
from tests.conftest import ROOT
from tests.photographs import LATITUDE, LONGITUDE, TAKEN, noted, place, saved


@pytest.fixture(autouse=True, scope="module")
def plain_pillow() -> Iterator[None]:
    """Pillow as the program has it: the ultralytics package, which other tests import, changes it for the process."""
    with pytest.MonkeyPatch.context() as patch:
        if "ultralytics.utils.patches" in sys.modules:
            patch.setattr(Image, "open", sys.modules["ultralytics.utils.patches"]._image_open)
        yield


def photograph(kind: str = "JPEG", gps: dict[int, Any] | None = None, taken: object = TAKEN) -> bytes:
    """An image that was taken, and changed another time."""
    exif = noted(taken, gps)
    exif[0x0132] = "2027:01:01 00:00:00"
    return saved(Image.new("RGB", (8, 8)), exif, kind)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_time_and_place_are_read(kind: str) -> None:
    assert read_exif(photograph(kind, place()), "all") == Exif(TAKEN, -LATITUDE, -LONGITUDE)


def test_time_and_place_are_read_from_what_phones_take(tmp_path: Path) -> None:
    exif = noted(TAKEN, place()).tobytes()
    pillow_heif.from_pillow(Image.new("RGB", (64, 64))).save(tmp_path / "x.heic", exif=exif)
    assert read_exif((tmp_path / "x.heic").read_bytes(), "all") == Exif(TAKEN, -LATITUDE, -LONGITUDE)


@pytest.mark.parametrize(("sides", "expected"), [("NE", (1, 1)), ("NW", (1, -1)), ("SE", (-1, 1)), ("SW", (-1, -1))])
def test_north_and_east_are_positive(sides: str, expected: tuple[int, int]) -> None:
    found = read_exif(photograph(gps=place(*sides)), "all")
    assert found and (found.latitude, found.longitude) == (LATITUDE * expected[0], LONGITUDE * expected[1])


def test_the_place_is_read_only_where_it_is_asked_for() -> None:
    assert read_exif(photograph(gps=place()), "time") == Exif(TAKEN)


@pytest.mark.parametrize(
    "taken", ["0000:00:00 00:00:00", "    :  :     :  :  ", "yesterday", "2026:13:01 00:00:00", ""]
)
def test_a_clock_that_was_not_set_gives_the_other_date(taken: str) -> None:
    assert read_exif(photograph(taken=taken), "time") == Exif("2027:01:01 00:00:00")


@pytest.mark.parametrize(
    "gps",
    [
        {2: (IFDRational(1, 0), IFDRational(0), IFDRational(0))},
        place(degrees=91),
        place(latitude="X"),
        {key: value for key, value in place().items() if key != 3},
    ],
    ids=["divided by zero", "beyond the pole", "no side", "half a place"],
)
def test_a_place_that_cannot_be_is_none(gps: dict[int, Any]) -> None:
    assert read_exif(photograph(gps=place() | gps if 1 not in gps else gps), "all") == Exif(TAKEN)


@given(st.integers(0, 10**6), st.binary(min_size=1, max_size=40))
def test_damaged_data_never_raises(offset: int, noise: bytes) -> None:
    data = bytearray(photograph(gps=place()))
    offset %= len(data)
    data[offset : offset + len(noise)] = noise
    found = read_exif(bytes(data), "all")
    assert found
    assert found.datetime is None or len(found.datetime) == 19


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\xff\xd8\xff\xe1\x00\x08Exif\x00\x00", b"II*\x00" + b"\xff" * 100])
def test_what_is_no_photograph_has_neither(data: bytes) -> None:
    assert read_exif(data, "all") == Exif()


def test_nothing_is_read_where_nothing_is_asked_for() -> None:
    assert read_exif(photograph(gps=place()), "none") is None


HUGE = 30_000  # bytes, of which two fit into a segment of a JPEG file


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        # of the main directory or the photograph's own: a text in place of numbers, and the other way round
        (0x0132, b"\xff\xfe\x00" * (HUGE // 3)),
        (0x9003, b"\x07"),
        (0x9003, "2026:05:31 18:00:05\0; rm -rf /"),
        (0x010E, "<script>alert(1)</script>" * (HUGE // 25)),
    ],
)
def test_hostile_values_are_no_times(tag: int, value: object) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[tag] = value
    exif[tag] = value
    assert read_exif(saved(Image.new("RGB", (8, 8)), exif), "all") == Exif()


def test_damage_is_not_talked_about(tmp_path: Path) -> None:
    data = photograph("TIFF")
    entry = struct.pack("<HHIHH", 277, 3, 1, 3, 0)  # three samples a pixel
    assert data.count(entry) == 1
    (tmp_path / "x.tif").write_bytes(data.replace(entry, struct.pack("<HHIHH", 277, 3, 1, 240, 0)))
    code = (
        "import pathlib, sys; from entrypoint.sources.exif import read_exif; "
        "read_exif(pathlib.Path(sys.argv[1]).read_bytes(), 'all')"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "x.tif"], cwd=ROOT, capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")


@pytest.mark.parametrize("offset", [0, 8, 10, 0xFFFFFFFF], ids=["header", "itself", "middle", "far outside"])
def test_directories_that_lead_in_circles_end(offset: int) -> None:
    entry = struct.pack("<HHII", 0x8769, 4, 1, offset)
    directory = b"II*\x00" + struct.pack("<IH", 8, 1) + entry + struct.pack("<I", 8)
    segment = b"Exif\x00\x00" + directory
    plain = photograph()
    data = plain[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + plain[2:]
    found = read_exif(data, "all")
    assert found is not None and found.latitude is None
