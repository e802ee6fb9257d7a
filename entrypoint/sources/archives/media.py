"""Members of archives as inputs of a run."""

import hashlib
import shutil
import tempfile
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO

from entrypoint.host.shortage import raise_if_out_of_files
from entrypoint.inputstate import InputState
from entrypoint.sources.archives.index import ArchiveIndex
from entrypoint.sources.archives.member import Archive, ArchiveError
from entrypoint.sources.extent import Extent, InputFile
from entrypoint.sources.medium import Medium, ReadOptions
from entrypoint.sources.moving import VideoMedium
from entrypoint.sources.origin import Origin
from entrypoint.sources.unmoving import StillMedium
from entrypoint.values import Failure

_MOST_STILL = 1 << 30  # bytes, as of an image that is a file
_MOST_SPOOLED = 1 << 34  # bytes of a video that has to be unpacked
_SHARE_OF_DISK = 2
_MOST_HELD = 4 << 20  # bytes of a member that are held in memory until its turn comes


@dataclass(frozen=True, slots=True)
class ArchiveOrigin(Origin):
    """Inputs that are members of an archive: `prefix` and then the name by which `index` knows them.

    `base` and an input's name are no path, but tell it from all other inputs.
    """

    index: ArchiveIndex | None = None
    prefix: str = ""

    def medium(self, index: int, name: str, file: str, options: ReadOptions) -> Medium:
        if self.index is None:
            raise ValueError("an archive without an index")
        kind = VideoMember if issubclass(self.kind_of(file), VideoMedium) else StillMember
        return kind(index, name, self.index.archive, self.index.number(file.removeprefix(self.prefix)), options)

    @property
    def group(self) -> object:
        return self.index if self.index and self.index.archive.in_order else None

    def place(self, file: str) -> int:
        return self.index.number(file.removeprefix(self.prefix)) if self.index else 0


class MemberMedium(Medium):
    """A member, by its number in the archive."""

    __slots__ = ("_held", "archive", "number", "options")

    def __init__(self, index: int, file: str, archive: Archive, number: int, options: ReadOptions) -> None:
        super().__init__(index, file)
        self.archive, self.number, self.options = archive, number, options
        self._held: tempfile.SpooledTemporaryFile[bytes] | Failure | None = None

    @property
    @abstractmethod
    def _most(self) -> int:
        """Bytes that it may have."""

    @property
    def in_order(self) -> bool:
        return self.archive.in_order

    def state(self) -> InputState | None:
        return self.archive.state

    def read_ahead(self) -> None:
        """Where members come one after another, take this one now that it is its turn."""
        if self.archive.in_order:
            with suppress(MemoryError):
                self._held = self._unpacked()

    def _unpacked(self) -> tempfile.SpooledTemporaryFile[bytes] | Failure:
        """A file that is nowhere else, with all bytes of the member; in memory as long as they are few."""
        file = tempfile.SpooledTemporaryFile(_MOST_HELD, dir=self.options.scratch.folder)  # noqa: SIM115 - see _taken
        try:
            failure = self.archive.unpack(self.number, _writer(file), self._most)
        except BaseException:
            file.close()
            raise
        if failure:
            file.close()
        return failure or file

    def _taken(self) -> tempfile.SpooledTemporaryFile[bytes] | Failure:
        """Return `_unpacked`, perhaps as of when it was this member's turn; the file is the caller's to close."""
        held, self._held = self._held, None
        return self._unpacked() if held is None else held


class StillMember(StillMedium, MemberMedium):
    """A still."""

    __slots__ = ()
    _most = _MOST_STILL

    def digest(self) -> tuple[str, InputState] | None:
        with suppress(MemoryError):
            data = self.read()
            return None if isinstance(data, Failure) else (hashlib.sha256(data).hexdigest(), self.archive.state)
        return None

    def read(self) -> bytes | Failure:
        self.seen = self.archive.state
        data = self._read()
        return self.archive.change() or data

    def _read(self) -> bytes | Failure:
        if not self.archive.in_order:
            return self.archive.read(self.number, _MOST_STILL)
        file = self._taken()
        if isinstance(file, Failure):
            return file
        with file:
            file.seek(0)
            return file.read()


class VideoMember(VideoMedium, MemberMedium):
    """A video, read where it lies; one that is packed is unpacked to a file first, for videos are not read in order."""

    __slots__ = ()

    @property
    def _most(self) -> int:
        """Bytes that it may have to be unpacked: the disk is there for others, too."""
        free = shutil.disk_usage(self.options.scratch.folder or tempfile.gettempdir()).free
        return min(_MOST_SPOOLED, free // _SHARE_OF_DISK)

    @contextmanager
    def extent(self) -> Iterator[Extent | Failure]:
        self.seen = self.archive.state
        with self.archive.extent(self.number) as found:
            if found is not None:
                yield found
                return
        file = self._taken()
        if isinstance(file, Failure):
            yield file
            return
        with file:
            file.rollover()
            file.flush()
            yield Extent(InputFile(self.archive.path, file.fileno(), self.archive.status))


def _writer(file: IO[bytes]) -> Callable[[bytes], object]:
    def write(piece: bytes) -> None:
        try:
            file.write(piece)
        except OSError as error:
            raise_if_out_of_files(error)
            raise ArchiveError("no_room", f"no room to unpack it to: {error.strerror}") from error

    return write
