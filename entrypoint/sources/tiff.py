"""The layout of the first image in a TIFF file: whether OpenCV gives its pixels, and whether its data are whole."""

import re
import struct
import zlib
from dataclasses import dataclass
from typing import Self

from entrypoint.sources import jpeg
from entrypoint.values import Failure

_HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES, _PLANES, _SAMPLE_FORMAT = 257, 258, 259, 262, 277, 284, 339
_STRIPS, _STRIP_BYTES, _TILES, _TILE_BYTES, _COLOURS = 273, 279, 324, 325, 320
_WANTED = frozenset({_HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES, _PLANES, _SAMPLE_FORMAT})
_WANTED |= {_STRIPS, _STRIP_BYTES, _TILES, _TILE_BYTES, _COLOURS}
_MAX_TAGS = 4096  # libtiff's own limit
_TYPES = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 16: "Q", 17: "q"}
_MAX_PARTS = 1 << 16  # rows, strips or tiles: libtiff may print several lines of each, and they are kept in memory
_MAX_INFLATED = 1 << 32  # bytes, more than an image that OpenCV reads has
_INFLATED_AT_ONCE = 1 << 14  # become at most a thousand times as many

_NO_HEADER = "incorrect header check"  # libtiff complains of it as well, if the bits are not in reverse order

_DEFLATE = frozenset((8, 32946))
# OpenCV's libtiff has a codec for these; images of some others come out black.
_COMPRESSIONS = _DEFLATE | {1, 2, 3, 4, 5, 6, 7, 32766, 32771, 32773, 32809, 32909, 34676, 34677}
_UNSIGNED = 1
_FORMATS = {2: "signed integers", 3: "floating-point values", 4: "values of no declared type", 5: "complex values"}
_FORMATS |= {6: "complex values"}
_MIN_IS_BLACK, _RGB, _PALETTE, _YCBCR, _LOGLUV = 1, 2, 3, 6, (32844, 32845)
_MAX_SAMPLES, _SEPARATE = 4, 2

_PRINTED = re.compile(r"TIFF_(Error|Warning) (.+)")
_ABOUT_TAGS = re.compile(r"_?TIFF\w*(?:Dir|Tag|Field|Count)\w*: ")
_LOSSES = re.compile(r"Terminating PackBits|PackBits\w*: |Fax\w*: ")


@dataclass(frozen=True, slots=True)
class Layout:
    """How the pixels of an image lie in a TIFF file.

    `colours` are those of its palette; `pieces` are its strips or tiles: start and length of each.
    """

    height: int
    bits: tuple[int, ...]
    sample_format: int
    samples: int
    photometric: int
    separate: bool
    compression: int
    colours: int
    pieces: tuple[tuple[int, int], ...]

    @classmethod
    def from_tags(cls, tags: dict[int, tuple[int, ...]]) -> Self:
        """Return the layout by the tags of a directory, with libtiff's defaults. Raises KeyError without a height."""
        samples = tags.get(_SAMPLES, (1,))[0]
        starts, lengths = (_TILES, _TILE_BYTES) if _TILES in tags else (_STRIPS, _STRIP_BYTES)
        return cls(
            tags[_HEIGHT][0],
            tags.get(_BITS, (1,))[: max(1, samples)],
            tags.get(_SAMPLE_FORMAT, (_UNSIGNED,))[0],
            samples,
            tags.get(_PHOTOMETRIC, (_YCBCR,))[0],
            samples > 1 and tags.get(_PLANES, (1,))[0] == _SEPARATE,
            tags.get(_COMPRESSION, (1,))[0],
            len(tags.get(_COLOURS, ())) // 3,
            tuple(zip(tags.get(starts, ()), tags.get(lengths, ()), strict=False)),
        )

    @property
    def packed(self) -> bool:
        """Tell whether values of 10, 12 or 14 bits lie without gaps: OpenCV scales them, if it may give 16 bits."""
        return self.bits[0] in (10, 12, 14)

    @property
    def plain(self) -> bool:
        """Tell whether OpenCV is right in 16 bits: not with separate planes, with alpha, or where 0 is white."""
        return not self.separate and (self.photometric, self.samples) in ((_MIN_IS_BLACK, 1), (_RGB, 3))

    def failure(self) -> Failure | None:
        """Return why OpenCV does not give the pixels; None where it does."""
        if self.height > _MAX_PARTS or len(self.pieces) > _MAX_PARTS:
            return Failure("too_large", f"a TIFF image of more than {_MAX_PARTS} rows, strips or tiles")
        if self.compression not in _COMPRESSIONS:
            return _unsupported(f"compressed by method {self.compression}", "convert it to PNG or JPEG")
        if self.photometric not in _LOGLUV and not self._has_integers():
            return _unsupported(f"of {self._values()}", "convert it to unsigned values of 8 or 16 bits")
        if self.samples > _MAX_SAMPLES:
            return _unsupported(f"of {self.samples} channels", "convert it to RGB")
        if self.bits[0] > 8 and self.photometric > _RGB and self.photometric not in _LOGLUV:
            return _unsupported(f"of {self.bits[0]}-bit values that are not RGB", "convert it to RGB, or to 8 bits")
        if self.photometric == _PALETTE and self.colours < 1 << self.bits[0]:  # libtiff takes it for grey
            return Failure("damaged", f"a TIFF image that has a palette of {self.colours} colours")
        return None

    def _has_integers(self) -> bool:
        if self.sample_format != _UNSIGNED or len(set(self.bits)) > 1:
            return False
        if self.packed:
            return self.plain
        return self.bits[0] in (1, 8, 16) or (self.bits[0] == 4 and self.photometric == _PALETTE)

    def _values(self) -> str:
        bits = ", ".join(map(str, sorted(set(self.bits))))
        return f"{bits}-bit {_FORMATS.get(self.sample_format, 'values')}" + " in separate planes" * self.separate

    def fault(self, data: bytes) -> str | None:
        """Return the fault in deflated data, by their checksums, which libtiff does not always reach; None for none."""
        if self.compression not in _DEFLATE:
            return None
        room = _MAX_INFLATED
        for start, length in self.pieces:
            try:
                room -= _inflated(memoryview(data)[start : start + length], room)
            except zlib.error as error:
                words = str(error).rpartition(": ")[2]
                if words != _NO_HEADER:
                    return f"deflate: {words}"
            if room < 0:
                return "deflate: more bytes than an image has"
        return None


def read_layout(data: bytes) -> Layout | Failure:
    """Return the layout of the first image in `data`; a Failure where OpenCV does not give its pixels."""
    try:
        layout = Layout.from_tags(_tags(data))
    except (struct.error, OverflowError):
        return Failure("truncated", f"a TIFF image of {len(data)} bytes that ends before its directory does")
    except KeyError:
        return Failure("damaged", "a TIFF image of no declared height")
    return layout.failure() or layout


def fault(printed: str, _data: bytes) -> str | None:
    """Return the fault in the data of an image, by the words that libtiff printed while it decoded it; None for none.

    Other words of libtiff are about tags that it does not know or expect, and about further images: they cost no pixel.
    """
    for line in _PRINTED.finditer(printed):
        severity, words = line[1], line[2].strip()
        if _LOSSES.match(words) or jpeg.fault(words, b"") or (severity == "Error" and not _ABOUT_TAGS.match(words)):
            return words[:120]
    return None


def _unsupported(found: str, remedy: str) -> Failure:
    return Failure("unsupported", f"a TIFF image {found}, which is not read: {remedy}")


def _tags(data: bytes) -> dict[int, tuple[int, ...]]:
    """Return the values of the wanted tags; the first of a kind counts. Raises struct.error or OverflowError."""
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    position = struct.unpack_from(f"{order}Q", data, 8)[0] if big else struct.unpack_from(f"{order}I", data, 4)[0]
    entry, word, count_of_tags = (f"{order}HHQ", "Q", f"{order}Q") if big else (f"{order}HHI", "I", f"{order}H")
    number = struct.unpack_from(count_of_tags, data, position)[0]
    position += struct.calcsize(count_of_tags)
    step, room = struct.calcsize(entry), struct.calcsize(word)
    tags: dict[int, tuple[int, ...]] = {}
    for _ in range(min(number, _MAX_TAGS)):
        tag, kind, count = struct.unpack_from(entry, data, position)
        if tag in _WANTED and tag not in tags and kind in _TYPES and count:
            values, place = f"{order}{min(count, _MAX_PARTS + 1)}{_TYPES[kind]}", position + step
            if struct.calcsize(values) > room:
                place = struct.unpack_from(order + word, data, place)[0]
            tags[tag] = struct.unpack_from(values, data, place)
        position += step + room
    return tags


def _inflated(piece: memoryview, most: int) -> int:
    """Return how many bytes a deflated piece holds, counted to a little more than `most`. Raises zlib.error."""
    inflate, size = zlib.decompressobj(), 0
    for place in range(0, len(piece), _INFLATED_AT_ONCE):
        size += len(inflate.decompress(piece[place : place + _INFLATED_AT_ONCE]))
        if inflate.eof or size > most:
            break
    return size
