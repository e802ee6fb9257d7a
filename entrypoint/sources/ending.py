"""Whether a video file reaches to its own end, by the lengths that it tells of itself."""

import os

# Bytes of a packet of MPEG's transport streams, and where in it stands the sign that one begins.
_TS_PACKETS, _TS_SIGN = ((188, 0), (192, 4), (204, 0)), 0x47


def missing_bytes(descriptor: int, start: int, size: int) -> int:
    """Bytes that a video, which is `size` bytes of a file from `start` on, lacks at its end; 0 where none tells."""
    head = os.pread(descriptor, min(size, 512), start)
    if head[4:8] == b"ftyp":
        return _beyond(descriptor, start, size)
    for length, place in _TS_PACKETS:
        if len(head) > length + place and head[place] == head[place + length] == _TS_SIGN:
            return -size % length
    return 0


def _beyond(descriptor: int, start: int, size: int) -> int:
    """By how many bytes the boxes of an MP4, which follow one another, reach beyond its end."""
    place = 0
    while place < size:
        head = os.pread(descriptor, 16, start + place)
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length == 0:  # up to the end, wherever that is
            return 0
        place += max(8, length)
    return place - size
