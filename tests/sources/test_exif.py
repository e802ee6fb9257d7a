"""When and where a photograph was taken: read from all kinds that have EXIF, and never a reason to fail."""

import io
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from entrypoint.sources.exif import Exif, read_exif

TAKEN = "2026:05:31 18:00:05"


@pytest.fixture(autouse=True, scope="module")
def plain_pillow() -> Iterator[None]:
    """Pillow as the program has it: the ultralytics package, which other tests import, changes it for the process."""
    with pytest.MonkeyPatch.context() as patch:
        if "ultralytics.utils.patches" in sys.modules:
            patch.setattr(Image, "open", sys.modules["ultralytics.utils.patches"]._image_open)
        yield


def photograph(kind: str = "JPEG", gps: dict[int, Any] | None = None, taken: object = TAKEN) -> bytes:
    """An image with EXIF data."""
    exif = Image.Exif()
    exif[0x0132] = "2027:01:01 00:00:00"
    exif.get_ifd(0x8769)[0x9003] = taken
    if gps:
        exif.get_ifd(0x8825).update(gps)
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, kind, exif=exif)
    return file.getvalue()


def place(latitude: str = "S", longitude: str = "W", degrees: float = 33) -> dict[int, Any]:
    """A place with these sides."""
    parts = (IFDRational(int(degrees)), IFDRational(51), IFDRational(3564, 100))
    return {1: latitude, 2: parts, 3: longitude, 4: parts}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_time_and_place_are_read(kind: str) -> None:
    assert read_exif(photograph(kind, place()), place=True) == Exif(TAKEN, -33.8599, -33.8599)


@pytest.mark.parametrize(("sides", "expected"), [("NE", (1, 1)), ("NW", (1, -1)), ("SE", (-1, 1)), ("SW", (-1, -1))])
def test_north_and_east_are_positive(sides: str, expected: tuple[int, int]) -> None:
    found = read_exif(photograph(gps=place(*sides)), place=True)
    assert (found.latitude, found.longitude) == (33.8599 * expected[0], 33.8599 * expected[1])


def test_the_place_is_read_only_where_it_is_asked_for() -> None:
    assert read_exif(photograph(gps=place()), place=False) == Exif(TAKEN)


@pytest.mark.parametrize(
    "taken", ["0000:00:00 00:00:00", "    :  :     :  :  ", "yesterday", "2026:13:01 00:00:00", ""]
)
def test_a_clock_that_was_not_set_gives_the_other_date(taken: str) -> None:
    assert read_exif(photograph(taken=taken), place=False) == Exif("2027:01:01 00:00:00")


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
    assert read_exif(photograph(gps=place() | gps if 1 not in gps else gps), place=True) == Exif(TAKEN)


@given(st.integers(0, 10**6), st.binary(min_size=1, max_size=40))
def test_damaged_data_never_raises(offset: int, noise: bytes) -> None:
    data = bytearray(photograph(gps=place()))
    offset %= len(data)
    data[offset : offset + len(noise)] = noise
    found = read_exif(bytes(data), place=True)
    assert found.datetime is None or len(found.datetime) == 19


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\xff\xd8\xff\xe1\x00\x08Exif\x00\x00", b"II*\x00" + b"\xff" * 100])
def test_what_is_no_photograph_has_neither(data: bytes) -> None:
    assert read_exif(data, place=True) == Exif()
