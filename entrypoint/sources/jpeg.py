"""Whether a JPEG file is whole: its markers, and what libjpeg says of its data."""

import re

_END = b"\xff\xd9"
# A marker inside the compressed data: not a stuffed 0xFF00, a restart marker or a fill byte.
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
# libjpeg's words for what costs pixels. Its other warnings are of profiles, versions and the order of scans.
_DAMAGE = re.compile(
    r"Corrupt JPEG data: (?:(?P<spare>\d+) extraneous bytes before marker 0x(?P<marker>[0-9a-f]{2})"
    r"|premature end of data segment|bad Huffman code|bad arithmetic code|found marker .*)"
    r"|Premature end of JPEG file"
)


def ends(data: bytes) -> bool:
    """Whether the markers lead to an end-of-image. The end markers of embedded thumbnails lie inside segments."""
    return _end(data, trust_last_bytes=True) is not None


def fault(warnings: str, data: bytes) -> str | None:
    """What is wrong with the compressed data of a file, by what libjpeg printed while it decoded it; None for nothing.

    Some cameras fill up the data with a few bytes before the end marker, or with one before any marker: libjpeg calls
    these corrupt, but no pixel is lost.
    """
    for match in _DAMAGE.finditer(warnings):
        if not (match["spare"] and _is_filling(int(match["spare"]), match["marker"], data)):
            return match[0].removeprefix("Corrupt JPEG data: ")
    return None


def _is_filling(spare: int, marker: str, data: bytes) -> bool:
    if spare == 1:
        return True
    end = _end(data, trust_last_bytes=False)
    return marker == "d9" and end is not None and len(set(data[end - spare : end])) == 1


def _end(data: bytes, trust_last_bytes: bool) -> int | None:
    """Where the end-of-image marker stands that the markers lead to; None when there is none.

    A file that ends with such a marker, behind the start of a scan, needs no further look where one may
    `trust_last_bytes`.
    """
    position = 2
    while match := _MARKER.search(data, position):
        marker, position = match.group()[1], match.end()
        if marker == 0xD9:
            return match.start()
        if marker not in (0x01, 0xD8):
            position += int.from_bytes(data[position : position + 2], "big")
        if trust_last_bytes and marker == 0xDA and position + 2 <= len(data) and data.endswith(_END):
            return len(data) - len(_END)
    return None
