"""The members of a zip file: which there are, and the bytes of each, checked by their CRC."""

import lzma
import os
import struct
import zlib
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from itertools import pairwise

from entrypoint.sources.archives.member import Archive, ArchiveError, Listed, Member, bomb, is_bomb, too_large
from entrypoint.sources.archives.zipdirectory import ZipEntry, entries
from entrypoint.sources.archives.zipmethods import METHODS, STORED, unpacked
from entrypoint.sources.extent import Extent, InputFile, opened
from entrypoint.sources.faults import read_failure
from entrypoint.values import OUT_OF_MEMORY, Failure

_LOCAL, _LOCAL_BYTES = b"PK\x03\x04", 30
_NAMES = {9: "Deflate64", 1: "Shrink", 6: "Implode", 95: "xz", 97: "WavPack", 98: "PPMd", 99: "AES"}
_CHUNK = 1 << 18


class ZipArchive(Archive):
    """A zip file; what its directory says of each entry is remembered when it is listed."""

    def __init__(self, path: str, status: os.stat_result) -> None:
        super().__init__(path, status)
        self._places, self._sizes, self._packed = array("Q"), array("Q"), array("Q")
        self._crcs, self._methods = array("L"), array("H")

    def members(self) -> Iterator[Listed]:
        with opened(self.path) as file:
            if isinstance(file, Failure):
                raise ArchiveError(file.kind, file.detail)
            self._remember(file.descriptor)
            overlapping = self._overlapping()
            for number, entry in enumerate(entries(file.descriptor)):
                if entry.is_folder:
                    continue
                failure = _fault(entry)
                if not failure and number in overlapping:
                    failure = Failure("damaged", "its bytes are also those of another member")
                yield Listed(number, Member(entry.name, entry.size, failure), partial(self._head, number))

    @contextmanager
    def extent(self, number: int) -> Iterator[Extent | Failure | None]:
        if self._methods[number] != STORED:
            yield None
            return
        with opened(self.path) as file:
            yield file if isinstance(file, Failure) else self._extent(file, number)

    def _extent(self, file: InputFile, number: int) -> Extent | Failure:
        try:
            start = self._start(file.descriptor, number)
        except ArchiveError as error:
            return error.failure
        return Extent(replace(file, status=self.status), start, self._sizes[number], self._crcs[number])

    def unpack(self, number: int, write: Callable[[bytes], object], most: int) -> Failure | None:
        size = self._sizes[number]
        return too_large(size, most) if size > most else self._each(number, size, write)

    def _head(self, number: int, length: int) -> bytes | Failure:
        pieces: list[bytes] = []
        return self._each(number, min(length, self._sizes[number]), pieces.append) or b"".join(pieces)

    def _remember(self, descriptor: int) -> None:
        """What the directory says of each entry, as far as it can be read; its names would take too much room."""
        with suppress(ArchiveError):
            for entry in entries(descriptor):
                self._places.append(entry.place)
                self._sizes.append(entry.size)
                self._packed.append(entry.packed)
                self._crcs.append(entry.crc)
                self._methods.append(entry.method)

    def _overlapping(self) -> set[int]:
        """Members of which bytes are those of others, too: so are made archives that unpack to more than there is."""
        order = sorted(range(len(self._places)), key=self._places.__getitem__)
        found = set[int]()
        for number, later in pairwise(order):
            if self._places[number] + _LOCAL_BYTES + self._packed[number] > self._places[later]:
                found |= {number, later}
        return found

    def _each(self, number: int, length: int, write: Callable[[bytes], object]) -> Failure | None:
        """Have the first `length` bytes written, and the CRC checked where that is all."""
        if is_bomb(self._sizes[number], self._packed[number]):
            return bomb(self._sizes[number], self._packed[number])
        with opened(self.path) as file:
            if isinstance(file, Failure):
                return file
            try:
                crc, left = 0, length
                for piece in self._pieces(file.descriptor, number, length):
                    write(piece)
                    crc, left = zlib.crc32(piece, crc), left - len(piece)
            except ArchiveError as error:
                return error.failure
            except MemoryError:
                return Failure(OUT_OF_MEMORY, "no memory left to unpack it")
            except (zlib.error, lzma.LZMAError, EOFError, ValueError) as error:
                return Failure("damaged", f"cannot be unpacked: {error}")
            except OSError as error:  # bz2 says by one, too, what it cannot unpack
                if error.errno:
                    return read_failure(error)
                return Failure("damaged", f"cannot be unpacked: {error}")
        if left:
            return Failure("truncated", f"it unpacks to {left} bytes less than it should")
        if length == self._sizes[number] and crc != self._crcs[number]:
            return Failure("damaged", "its bytes do not have the checksum that the archive tells")
        return None

    def _start(self, descriptor: int, number: int) -> int:
        """Where the bytes of a member begin."""
        place = self._places[number]
        header = os.pread(descriptor, _LOCAL_BYTES, place)
        if len(header) < _LOCAL_BYTES or not header.startswith(_LOCAL):
            raise ArchiveError("damaged", "it does not lie where the archive's directory says")
        named, extra = struct.unpack_from("<2H", header, 26)
        start: int = place + _LOCAL_BYTES + named + extra
        if start + self._packed[number] > os.fstat(descriptor).st_size:
            raise ArchiveError("truncated", "it reaches beyond the end of the archive")
        return start

    def _pieces(self, descriptor: int, number: int, length: int) -> Iterator[bytes]:
        """The first `length` bytes of a member, unpacked."""
        start, method = self._start(descriptor, number), self._methods[number]
        raw = _raw(descriptor, start, start + self._packed[number])
        pieces = raw if method == STORED else unpacked(method, raw, length)
        while length > 0 and (piece := next(pieces, b"")):
            yield piece[:length]
            length -= len(piece)


def _fault(entry: ZipEntry) -> Failure | None:
    """Why a member cannot be read, as far as the directory tells."""
    if entry.encrypted:
        return Failure("encrypted", "a member of an archive that wants a password")
    if entry.is_link:
        return Failure("link", "a link within an archive, which is not followed")
    if entry.method not in METHODS:
        name = _NAMES.get(entry.method, "which is not known")
        return Failure("unsupported", f"packed by a zip archive's method {entry.method}, {name}")
    return None


def _raw(descriptor: int, place: int, end: int) -> Iterator[bytes]:
    while place < end and (piece := os.pread(descriptor, min(_CHUNK, end - place), place)):
        yield piece
        place += len(piece)
