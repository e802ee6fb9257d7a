"""When and where a photograph was taken, from its EXIF data."""

import io
import math
import re
import warnings
from dataclasses import dataclass
from typing import Any

_EXIF, _GPS = 0x8769, 0x8825
_DATE_TIME, _DATE_TIME_ORIGINAL = 0x0132, 0x9003
_LATITUDE_SIDE, _LATITUDE, _LONGITUDE_SIDE, _LONGITUDE = 1, 2, 3, 4
_DAMAGED = (OSError, ValueError, SyntaxError, KeyError, TypeError, IndexError, ArithmeticError)
_WRITTEN = re.compile(r"\d{4}:(0[1-9]|1[0-2]):(0[1-9]|[12]\d|3[01]) ([01]\d|2[0-3]):[0-5]\d:[0-6]\d", re.ASCII)


@dataclass(frozen=True, slots=True)
class Exif:
    """`datetime` as cameras write it, `2026:05:31 18:00:05` in the camera's own time; degrees north and east.

    What is not there, or cannot be, is None.
    """

    datetime: str | None = None
    latitude: float | None = None
    longitude: float | None = None


def read_exif(data: bytes, *, place: bool) -> Exif:
    """From the bytes of an image of any kind; the place, which may be private, only where it is asked for.

    Damaged data gives what can be read of it and never raises.
    """
    from PIL import Image  # for those alone who ask for EXIF

    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")  # damage is no news to whoever runs a job
    try:
        with Image.open(io.BytesIO(data)) as image:
            found = image.getexif()
            details = found.get_ifd(_EXIF)
            gps = found.get_ifd(_GPS) if place else {}
    except (*_DAMAGED, Image.DecompressionBombError):
        return Exif()
    taken = _text(details.get(_DATE_TIME_ORIGINAL)) or _text(found.get(_DATE_TIME))
    latitude = _degrees(gps.get(_LATITUDE), gps.get(_LATITUDE_SIDE), "NS", 90)
    longitude = _degrees(gps.get(_LONGITUDE), gps.get(_LONGITUDE_SIDE), "EW", 180)
    if latitude is None or longitude is None:
        return Exif(taken)
    return Exif(taken, latitude, longitude)


def _text(value: object) -> str | None:
    """A date that can be one; cameras without a set clock write spaces or zeros."""
    text = value.strip("\0 ") if isinstance(value, str) else ""
    return text if _WRITTEN.fullmatch(text) and not text.startswith("0000") else None


def _degrees(parts: Any, side: object, sides: str, most: int) -> float | None:
    """Degrees, minutes and seconds with the side of the equator or of Greenwich, as one number."""
    try:
        degrees, minutes, seconds = (float(part) for part in parts)
    except (TypeError, ValueError, ArithmeticError):
        return None
    value = degrees + minutes / 60 + seconds / 3600
    letter = side.strip("\0 ").upper() if isinstance(side, str) else ""
    if not math.isfinite(value) or not 0 <= value <= most or letter not in tuple(sides):
        return None
    return round(-value if letter == sides[1] else value, 7)
