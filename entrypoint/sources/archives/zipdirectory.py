"""The directory of a zip file, entry by entry: what `zipfile` reads whole, and a hostile one can make too large."""

import os
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from entrypoint.inputstate import MOST_BYTES
from entrypoint.sources.archives.member import ArchiveError

_END, _END64, _LOCATOR64, _ENTRY = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07", b"PK\x01\x02"
_END_BYTES, _END64_BYTES, _LOCATOR64_BYTES, _ENTRY_BYTES = 22, 56, 20, 46
_MOST_COMMENT = 0xFFFF
_CHUNK = 1 << 20
_ALL_ONES = 0xFFFFFFFF
_UNIX, _UTF8, _ENCRYPTED = 3, 0x800, 0x1
_EXTRA_ZIP64, _EXTRA_NAME = 0x0001, 0x7075


@dataclass(frozen=True, slots=True)
class ZipEntry:
    """`packed`, `size`: bytes in the archive and unpacked; `place`: where in the file its own header begins.
    An archive may declare any number there: those that lead beyond its end stand for its end.

    `mode`: of a file system, where the archive was made on Unix; else 0.
    """

    name: str
    method: int
    crc: int
    packed: int
    size: int
    place: int
    mode: int
    encrypted: bool

    @property
    def is_folder(self) -> bool:
        return self.name.endswith("/") or stat.S_ISDIR(self.mode)

    @property
    def is_link(self) -> bool:
        return stat.S_ISLNK(self.mode)


def entries(descriptor: int) -> Iterator[ZipEntry]:
    """Give all entries, in the order of the directory. Raise ArchiveError where it cannot be read on, and OSError.

    There may be more of them than the end of the archive counts: in 16 bits, 65,537 are 1.
    """
    size = os.fstat(descriptor).st_size
    place, length, count, shift = _directory(descriptor, size)
    end, found = place + length, 0
    buffer = b""
    while True:
        if len(buffer) < _ENTRY_BYTES + 3 * 0xFFFF and place < end:
            chunk = os.pread(descriptor, min(_CHUNK, end - place), place)
            if not chunk:
                raise ArchiveError("truncated", f"its directory ends after {found} of {count} entries")
            place, buffer = place + len(chunk), buffer + chunk
        if len(buffer) < _ENTRY_BYTES or not buffer.startswith(_ENTRY):
            if found >= count:
                return
            raise ArchiveError("damaged", f"its directory cannot be read after {found} of {count} entries")
        entry, used = _entry(buffer, shift, size)
        yield entry
        buffer, found = buffer[used:], found + 1


def ends_as_zip(descriptor: int, *, may_have_comment: bool) -> bool:
    """Return whether a file ends with the directory of a zip archive, whatever it begins with.

    A comment may stand behind the directory; to look for it there takes reading 64 KB.
    """
    size = os.fstat(descriptor).st_size
    tail = os.pread(descriptor, _END_BYTES, max(0, size - _END_BYTES))
    if not may_have_comment and not tail.startswith(_END):
        return False
    try:
        place, length, count, _ = _directory(descriptor, size)
    except (ArchiveError, OSError):
        return False
    return count > 0 and length > 0 and os.pread(descriptor, 4, place) == _ENTRY


def _directory(descriptor: int, size: int) -> tuple[int, int, int, int]:
    """Where it begins, its length, its number of entries, and by how much all places in it are too small."""
    tail_place = max(0, size - _END_BYTES - _MOST_COMMENT)
    tail = os.pread(descriptor, size - tail_place, tail_place)
    at = tail.rfind(_END)
    while at >= 0 and at + _END_BYTES > len(tail):
        at = tail.rfind(_END, 0, at)
    if at < 0:
        raise ArchiveError("truncated", "without the directory that stands at the end of a zip archive")
    disk, _, _, count, length, place, _ = struct.unpack_from("<4H2LH", tail, at + 4)
    end = tail_place + at
    locator = os.pread(descriptor, _LOCATOR64_BYTES, max(0, end - _LOCATOR64_BYTES))
    if locator.startswith(_LOCATOR64) and end >= _LOCATOR64_BYTES:
        end = _end64(descriptor, end, locator)
        record = os.pread(descriptor, _END64_BYTES, end)
        disk, _, _, count, length, place = struct.unpack_from("<2L4Q", record, 16)
    if disk not in (0, 0xFFFF):
        raise ArchiveError("unsupported", "a zip archive of several files")
    shift = end - length - place  # of what stands before the archive in the same file
    if shift < 0 or length > end:
        raise ArchiveError("damaged", "its directory does not lie where its end says")
    return place + shift, length, count, shift


def _end64(descriptor: int, end: int, locator: bytes) -> int:
    """Where the end of a directory of more than 4 GB or 65,535 entries stands."""
    declared = struct.unpack_from("<Q", locator, 8)[0]
    for place in (end - _LOCATOR64_BYTES - _END64_BYTES, declared):
        if 0 <= place <= end - _END64_BYTES and os.pread(descriptor, 4, place) == _END64:
            return int(place)
    raise ArchiveError("damaged", "its directory does not lie where its end says")


def _entry(buffer: bytes, shift: int, end: int) -> tuple[ZipEntry, int]:
    """The entry at the start of these bytes, and how many of them it takes; the archive has `end` bytes."""
    (made, _, flags, method, _, _, crc, packed, size, named, extra, comment, _, _, attributes, place) = (
        struct.unpack_from("<6H3L5H2L", buffer, 4)
    )
    fields_at = _ENTRY_BYTES + named
    used = fields_at + extra + comment
    if used > len(buffer):
        raise ArchiveError("damaged", "its directory ends within an entry")
    fields = dict(_fields(buffer[fields_at : fields_at + extra]))
    large = iter(
        struct.unpack(f"<{len(wide) // 8}Q", wide[: len(wide) // 8 * 8]) if (wide := fields.get(_EXTRA_ZIP64)) else ()
    )
    size = next(large, size) if size == _ALL_ONES else size
    packed = next(large, packed) if packed == _ALL_ONES else packed
    place = next(large, place) if place == _ALL_ONES else place
    raw = buffer[_ENTRY_BYTES:fields_at]
    name = raw.decode("utf-8", "surrogateescape") if flags & _UTF8 else raw.decode("cp437")
    if (unicode := fields.get(_EXTRA_NAME)) and unicode[0] == 1:
        name = unicode[5:].decode("utf-8", "surrogateescape")
    mode = attributes >> 16 if made >> 8 == _UNIX else 0
    packed, size, place = min(packed, end), min(size, MOST_BYTES), min(place + shift, end)
    return ZipEntry(name, method, crc, packed, size, place, mode, bool(flags & _ENCRYPTED)), used


def _fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<2H", extra)
        yield kind, extra[4 : 4 + length]
        extra = extra[4 + length :]
