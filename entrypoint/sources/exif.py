"""When and where a photograph was taken, read from its EXIF data."""

import io
import logging
import math
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from entrypoint.exif import Exif, ExifWanted, is_datetime
from entrypoint.sources.filetype import HEAD_BYTES, HEIF, identify_head

if TYPE_CHECKING:
    from PIL import Image

_EXIF, _GPS = 0x8769, 0x8825
_DATE_TIME, _DATE_TIME_ORIGINAL = 0x0132, 0x9003
_LATITUDE_SIDE, _LATITUDE, _LONGITUDE_SIDE, _LONGITUDE = 1, 2, 3, 4
_DAMAGED = (
    *(OSError, ValueError, SyntaxError, KeyError, TypeError, IndexError, AttributeError, ArithmeticError, EOFError),
    *(RuntimeError, struct.error),
)
# No other has EXIF data, and the readers of others are not to be tried on bytes that may have been made to harm them.
_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "AVIF")


def read_exif(data: bytes, wanted: ExifWanted) -> Exif | None:
    """From the bytes of an image of any kind; the place, which may be private, only where all is `wanted`.

    Damaged data gives what can be read of it and raises nothing.
    """
    if wanted == "none":
        return None
    from PIL import Image  # for those alone who ask for EXIF

    _hush()
    try:
        with _exif_of(data) as found:
            taken = _moment(found.get_ifd(_EXIF).get(_DATE_TIME_ORIGINAL)) or _moment(found.get(_DATE_TIME))
            gps = found.get_ifd(_GPS) if wanted == "all" else {}
    except (*_DAMAGED, Image.DecompressionBombError):
        return Exif()
    latitude = _degrees(gps.get(_LATITUDE), gps.get(_LATITUDE_SIDE), "NS", 90)
    longitude = _degrees(gps.get(_LONGITUDE), gps.get(_LONGITUDE_SIDE), "EW", 180)
    if latitude is None or longitude is None:
        return Exif(taken)
    return Exif(taken, latitude, longitude)


def _hush() -> None:
    """Keep what Pillow says of damage and of size from the log: the photograph itself is whole, or a failure."""
    from PIL import Image

    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
    logger = logging.getLogger("PIL")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())


@contextmanager
def _exif_of(data: bytes) -> "Iterator[Image.Exif]":
    """What can be asked, for the time of the block, for what is in an image's EXIF data."""
    from PIL import Image

    if identify_head(data[:HEAD_BYTES]) in HEIF:
        import pillow_heif

        found = Image.Exif()
        found.load(pillow_heif.open_heif(data).info.get("exif") or b"")
        yield found
        return
    with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
        yield Image.Image.getexif(image)  # that of PNG would decode the image to look behind it


def _moment(value: object) -> str | None:
    text = value.strip("\0 ") if isinstance(value, str) else ""
    return text if is_datetime(text) else None


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
