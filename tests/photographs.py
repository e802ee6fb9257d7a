"""Photographs made for tests, with what a camera notes of when and where it took them."""

import io
from typing import Any

from PIL import Image
from PIL.TiffImagePlugin import IFDRational

TAKEN = "2026:05:31 18:00:05"
LATITUDE, LONGITUDE = 33.8599, 151.2111
_PHOTOGRAPH, _GPS = 0x8769, 0x8825
_DATE_TIME_ORIGINAL = 0x9003


def place(latitude: str = "S", longitude: str = "W", degrees: int = 33) -> dict[int, Any]:
    """What the receiver notes: LATITUDE and LONGITUDE on these sides, where the degrees of the first are not others."""
    north = (IFDRational(degrees), IFDRational(51), IFDRational(3564, 100))
    east = (IFDRational(151), IFDRational(12), IFDRational(3996, 100))
    return {1: latitude, 2: north, 3: longitude, 4: east}


def noted(taken: object = None, gps: dict[int, Any] | None = None) -> Image.Exif:
    """The EXIF data of a photograph: its time and its place, each where there is one."""
    exif = Image.Exif()
    if taken is not None:
        exif.get_ifd(_PHOTOGRAPH)[_DATE_TIME_ORIGINAL] = taken
    if gps:
        exif.get_ifd(_GPS).update(gps)
    return exif


def saved(image: Image.Image, exif: Image.Exif, kind: str = "JPEG", **options: int) -> bytes:
    """The file of an image with EXIF data."""
    file = io.BytesIO()
    image.save(file, kind, exif=exif.tobytes(), **options)
    return file.getvalue()
