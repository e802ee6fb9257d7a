"""The members of a tar archive, header by header, as its bytes go by.

Python's `tarfile` ends without a word at a damaged header and holds whole whatever an extended header declares, so only
its reader of single headers is used.
"""

import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass

from entrypoint.inputstate import MOST_BYTES
from entrypoint.sources.archives.member import ArchiveError, Member
from entrypoint.sources.archives.unpacking import Source
from entrypoint.values import Failure

_BLOCK = 512
_FILES, _LINKS, _FOLDER = (b"0", b"\0", b"7"), (b"1", b"2"), b"5"
_WITHOUT_BYTES = (*_LINKS, _FOLDER, b"3", b"4", b"6")
_SPARSE, _LONG_NAME, _LONG_LINK, _EXTENDED = b"S", b"L", b"K", (b"x", b"X")
_GLOBAL = b"g"
_MORE, _MORE_AGAIN = 482, 504  # where a sparse file's header, and each block behind it, says that another follows
_MOST_ZEROS = 1 << 26  # bytes behind the last member, which fill an archive up
_MOST_EXTENDED = 1 << 20  # bytes; what follows a header of the next member is names
_NAME, _SIZE, _NAME_OF_SPARSE, _OF_SPARSE = b"path", b"size", b"GNU.sparse.name", b"GNU.sparse"
_FIELD = re.compile(rb"(\d{1,9}) ([^=]+)=")

Fields = dict[bytes, bytes]


@dataclass(frozen=True, slots=True)
class TarMember:
    """A file, whose bytes are the next of the source; `place`: of the first, from the start of the tar archive."""

    member: Member
    place: int


def members(source: Source) -> Iterator[TarMember]:
    """All files, and what stands in the place of one. Of a file's bytes, those that are not read are skipped.

    Raises ArchiveError where the archive cannot be read on, OSError and MemoryError.
    """
    following: Fields = {}
    for_all: Fields = {}
    while (header := _header(source)) is not None:
        kind, size = header.type, header.size
        if kind in (_LONG_NAME, _LONG_LINK):
            name = _read(source, size).partition(b"\0")[0]
            following |= {_NAME: name} if kind == _LONG_NAME else {}
        elif kind in _EXTENDED:
            following |= _fields(_read(source, size))
        elif kind == _GLOBAL:
            for_all |= _fields(_read(source, size))
        else:
            fields = for_all | following
            following = {}
            if kind not in _WITHOUT_BYTES and (declared := fields.get(_SIZE, b"")).isdigit():
                size = _size(declared)
            end = source.place + (0 if kind in _WITHOUT_BYTES else -(-size // _BLOCK) * _BLOCK)
            if found := _member(header, kind, size, fields):
                yield TarMember(found, source.place)
            _skip(source, end - source.place)


def _header(source: Source) -> tarfile.TarInfo | None:
    """Return the next header; None at the end of the archive.

    Zeros end an archive. Behind them stands the header of another one that was appended, or of a member whose own
    header was lost.
    """
    at, block = source.place, source.read(_BLOCK)
    end = at + _MOST_ZEROS
    while block and not block.strip(b"\0"):
        if at > end:
            raise ArchiveError("damaged", f"only zeros where a tar header is expected, up to byte {at}")
        at, block = source.place, source.read(_BLOCK)
    if not block:
        return None
    if len(block) < _BLOCK:
        raise ArchiveError("truncated", f"a tar archive that ends within a header, after {at} bytes")
    try:
        header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError as error:
        raise ArchiveError("damaged", f"no tar header where one is expected, after {at} bytes: {error}") from error
    if not 0 <= header.size <= MOST_BYTES:
        raise ArchiveError("damaged", f"a tar header of a file of a size that no file has, after {at} bytes")
    more = header.type == _SPARSE and block[_MORE]
    while more:
        more = _read(source, _BLOCK)[_MORE_AGAIN]
    return header


def _size(declared: bytes) -> int:
    """That of a file by an extended header, which has room for any number of digits."""
    digits = declared.lstrip(b"0") or b"0"
    if len(digits) > len(str(MOST_BYTES)) or int(digits) > MOST_BYTES:
        raise ArchiveError("damaged", "a tar archive's extended header tells of a size that no file has")
    return int(digits)


def _member(header: tarfile.TarInfo, kind: bytes, size: int, fields: Fields) -> Member | None:
    """What a header tells of; None for a folder, and for what is neither file nor link."""
    raw = fields.get(_NAME_OF_SPARSE) or fields.get(_NAME)
    name = header.name.encode("utf-8", "surrogateescape") if raw is None else raw
    plain = name.decode("utf-8", "surrogateescape")
    if kind in _LINKS:
        return Member(plain, 0, Failure("link", "a link within an archive, which is not followed"))
    if kind == _SPARSE or _NAME_OF_SPARSE in fields or _OF_SPARSE in fields:
        return Member(plain, size, Failure("unsupported", "a file with holes in a tar archive"))
    return Member(plain, size) if kind in _FILES and not plain.endswith("/") else None


def _read(source: Source, size: int) -> bytes:
    """The bytes behind a header that are part of it."""
    if size > _MOST_EXTENDED:
        raise ArchiveError("damaged", f"a tar header of {size} bytes, more than the {_MOST_EXTENDED} read")
    padded = -(-size // _BLOCK) * _BLOCK
    data = source.read(padded)
    if len(data) < padded:
        raise ArchiveError("truncated", "a tar archive that ends within a header")
    return data[:size]


def _skip(source: Source, length: int) -> None:
    if source.skip(length) < length:
        raise ArchiveError("truncated", f"a tar archive that ends within a member, after {source.place} bytes")


def _fields(data: bytes) -> Fields:
    """The fields of an extended header that are asked for: each with its length before it, and a line break behind it.

    There may be millions of others. Those of files with holes but for the name stand for one another.
    """
    found: Fields = {}
    at = 0
    while match := _FIELD.match(data, at):
        length = int(match[1])
        if length <= match.end() - at:
            break
        key = match[2]
        if key not in (_NAME, _SIZE, _NAME_OF_SPARSE) and key.startswith(_OF_SPARSE):
            key = _OF_SPARSE
        if key in (_NAME, _SIZE, _NAME_OF_SPARSE, _OF_SPARSE):
            found[key] = data[match.end() : at + length - 1]
        at += length
    if data[at:].strip(b"\0"):
        raise ArchiveError("damaged", "a tar archive's extended header cannot be read")
    return found
