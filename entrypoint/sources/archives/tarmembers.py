"""Tar archives: as they are, where each member is read where it lies; and compressed, where one comes after another."""

import os
import threading
from array import array
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial

from entrypoint.sources.archives.member import Archive, ArchiveError, Listed, too_large
from entrypoint.sources.archives.tarwalk import TarMember, members
from entrypoint.sources.archives.unpacking import Plain, Source, Unpacked
from entrypoint.sources.extent import Extent, InputFile, opened
from entrypoint.sources.faults import read_failure
from entrypoint.values import OUT_OF_MEMORY, Failure

_CHUNK = 1 << 18
_MAGIC_BYTES = 8


class TarArchive(Archive):
    """One that is not compressed; where its members lie is remembered when they are listed."""

    def __init__(self, path: str, status: os.stat_result) -> None:
        super().__init__(path, status)
        self._places, self._sizes = array("Q"), array("Q")

    def members(self) -> Iterator[Listed]:
        with ExitStack() as files:
            for number, found in enumerate(_walk(self.path, files, packed=False)[1]):
                self._places.append(found.place)
                self._sizes.append(found.member.size)
                yield Listed(number, found.member, partial(self._head, number))

    @contextmanager
    def extent(self, number: int) -> Iterator[Extent | Failure | None]:
        with opened(self.path) as file:
            yield file if isinstance(file, Failure) else self._cut(file, number) or self._extent(file, number)

    def _extent(self, file: InputFile, number: int) -> Extent:
        return Extent(replace(file, status=self.status), self._places[number], self._sizes[number])

    def unpack(self, number: int, write: Callable[[bytes], object], most: int) -> Failure | None:
        place, size = self._places[number], self._sizes[number]
        if size > most:
            return too_large(size, most)
        with opened(self.path) as file:
            if isinstance(file, Failure):
                return file
            if failure := self._cut(file, number):
                return failure
            try:
                for at in range(place, place + size, _CHUNK):
                    write(os.pread(file.descriptor, min(_CHUNK, place + size - at), at))
            except OSError as error:
                return read_failure(error)
        return None

    def _head(self, number: int, length: int) -> bytes | Failure:
        with opened(self.path) as file:
            if isinstance(file, Failure):
                return file
            return os.pread(file.descriptor, min(length, self._sizes[number]), self._places[number])

    def _cut(self, file: InputFile, number: int) -> Failure | None:
        if self._places[number] + self._sizes[number] > file.size:
            return Failure("truncated", "it reaches beyond the end of the archive")
        return None


class PackedTar(Archive):
    """One that is compressed as a whole. It is read once to list it, and once more for its members, in their order."""

    in_order = True

    def __init__(self, path: str, status: os.stat_result) -> None:
        super().__init__(path, status)
        self._lock = threading.Lock()
        self._pass: _Pass | None = None

    def members(self) -> Iterator[Listed]:
        with ExitStack() as files:
            source, found = _walk(self.path, files, packed=True)
            for number, one in enumerate(found):
                yield Listed(number, one.member, partial(_head, source, one.member.size))

    @contextmanager
    def extent(self, number: int) -> Iterator[Extent | Failure | None]:
        yield None

    def unpack(self, number: int, write: Callable[[bytes], object], most: int) -> Failure | None:
        with self._lock:
            try:
                if self._pass is None or self._pass.next > number:
                    self.close()
                    self._pass = _Pass(self.path)
                    self._close_others()
                return self._pass.unpack(number, write, most)
            except ArchiveError as error:
                self.close()
                return error.failure
            except MemoryError:
                self.close()
                return Failure(OUT_OF_MEMORY, "no memory left to unpack it")
            except OSError as error:
                self.close()
                return read_failure(error)
            except Exception:
                self.close()  # else the members behind this one would be missed
                raise

    def _close_others(self) -> None:
        """Let go of the files of archives that were begun long before this one, and that nobody reads at this moment.

        Archives are read one after another, and a source may have more of them than files may be open.
        """
        with _GATE:
            _BEGUN.pop(self, None)
            _BEGUN[self] = None
            for other in list(_BEGUN)[:-_MOST_OPEN]:
                if other._lock.acquire(blocking=False):
                    other.close()
                    other._lock.release()
                    del _BEGUN[other]

    def close(self) -> None:
        """Let go of the file, which is opened again when something is to be read."""
        if self._pass:
            self._pass.close()
            self._pass = None


_MOST_OPEN = 4
_BEGUN: dict[PackedTar, None] = {}  # in the order in which they were begun, each once
_GATE = threading.Lock()


class _Pass:
    """A way through the members of a compressed archive; `next`: the number of the one that comes next."""

    def __init__(self, path: str) -> None:
        self._files, self.next = ExitStack(), 0
        self._source, self._members = _walk(path, self._files, packed=True)

    def unpack(self, number: int, write: Callable[[bytes], object], most: int) -> Failure | None:
        """As an archive does. Raises ArchiveError, OSError and MemoryError where the archive cannot be read on."""
        found = None
        while self.next <= number:
            found = next(self._members, None)
            if found is None:
                return Failure("vanished", "listed at the start, gone from the archive when its turn came")
            self.next += 1
        left = found.member.size if found else 0
        if left > most:
            return too_large(left, most)
        while left:
            piece = self._source.read(min(left, _CHUNK))
            if not piece:
                raise ArchiveError("truncated", "it reaches beyond the end of the archive")
            write(piece)
            left -= len(piece)
        return None

    def close(self) -> None:
        """Let go of the file."""
        self._files.close()


def _head(source: Source, size: int, length: int) -> bytes:
    return source.read(min(length, size))


def _walk(path: str, files: ExitStack, *, packed: bool) -> tuple[Source, Iterator[TarMember]]:
    """The bytes of a tar archive, unpacked, and the members among them; the file is open as long as `files` are."""
    found = files.enter_context(opened(path))
    if isinstance(found, Failure):
        raise ArchiveError(found.kind, found.detail)
    file = files.enter_context(os.fdopen(found.descriptor, "rb", closefd=False))
    source = Unpacked(file, os.pread(found.descriptor, _MAGIC_BYTES, 0)) if packed else Plain(file)
    return source, members(source)
