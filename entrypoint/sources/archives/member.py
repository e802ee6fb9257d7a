"""What archives hold, and what can be asked of them, whatever their format."""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

from entrypoint.inputstate import InputState
from entrypoint.sources.extent import Extent, change
from entrypoint.values import OUT_OF_MEMORY, Failure

_MOST_UNPACKED = 64 << 20  # bytes, up to which nothing is asked
_MOST_TIMES = 200  # what images and videos are packed to is never so small a part of them


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive: its name as it stands there, its size in bytes, and why it cannot be read, if so.

    Bytes of the name that are not UTF-8 are surrogates, as in the names of files.
    """

    name: str
    size: int
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """A member with the number it goes by. `head` gives its first bytes, so many or all, until the next is listed."""

    number: int
    member: Member
    head: Callable[[int], bytes | Failure]


class ArchiveError(Exception):
    """An archive cannot be read on from here."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.failure = Failure(kind, detail)


class Archive(ABC):
    """The archive at `path`. Several threads may read its members."""

    in_order = False
    """Whether members come one after the other only: one before the last that was read means to begin again."""

    def __init__(self, path: str, status: os.stat_result) -> None:
        """`status`: the system's account of the file when it was opened to be listed."""
        self.path, self.status = path, status

    @property
    def state(self) -> InputState:
        """The state of the file: whoever changes one of its members changes it."""
        return InputState.of(self.status)

    def change(self) -> Failure | None:
        """Return a failure if the file is no longer the one that was listed, None otherwise."""
        return change(self.path, self.status)

    @abstractmethod
    def members(self) -> Iterator[Listed]:
        """All members, in the order of the archive. To be asked once, before anything is read.

        Raises ArchiveError behind the last one that is to be found, where the archive cannot be read on, OSError, and
        MemoryError.
        """

    @abstractmethod
    def extent(self, number: int) -> AbstractContextManager[Extent | Failure | None]:
        """Hold the bytes of a member open for the time of the block; give None if they are packed."""

    @abstractmethod
    def unpack(self, number: int, write: Callable[[bytes], object], most: int) -> Failure | None:
        """Have `write` write all of a member, piece by piece; gives why that is not possible.

        One of more than `most` bytes is not. `write` may raise ArchiveError.
        """

    def read(self, number: int, most: int) -> bytes | Failure:
        """All bytes of a member that has no more than `most`."""
        pieces: list[bytes] = []
        try:
            return self.unpack(number, pieces.append, most) or b"".join(pieces)
        except MemoryError:
            return Failure(OUT_OF_MEMORY, "no memory left to read it")


def too_large(size: int, most: int) -> Failure:
    """The failure of a member of more bytes than are read."""
    return Failure("too_large", f"{size} bytes, more than the {most} read")


def is_bomb(unpacked: int, packed: int) -> bool:
    """Whether so many bytes come of so few that they are there to fill memory or to take time."""
    return unpacked > _MOST_UNPACKED and unpacked > packed * _MOST_TIMES


def bomb(unpacked: int, packed: int) -> Failure:
    """The failure of one."""
    return Failure("too_large", f"{unpacked} bytes or more packed into {packed}: no image or video is packed so far")
