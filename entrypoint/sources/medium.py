"""A medium is one input: it has a name and yields frames. Where its bytes lie is its own affair."""

import os
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from entrypoint.exif import Exif, ExifWanted
from entrypoint.inputstate import InputState
from entrypoint.sources.extent import Extent, InputFile, opened
from entrypoint.sources.faults import failure_of
from entrypoint.values import Failure


@dataclass(frozen=True, slots=True)
class Frame:
    """`image`: HWC uint8 BGR in [0, 255], upright. `index` counts from 0; `time` in seconds, None for a still."""

    index: int
    time: float | None
    image: NDArray[np.uint8]


@dataclass(slots=True)
class Scratch:
    """A folder for files that go again; None for the system's, until there is one of the run's."""

    folder: str | None = None


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How media are to be read.

    `accept_damaged`: take the pixels of a damaged image as they were decoded, and what can be read of a damaged video.
    `vid_stride`: take the last of each so many frames of a video. `exif`: what to read of an image's EXIF data.
    `scratch`: where videos are unpacked to.
    """

    accept_damaged: bool = False
    vid_stride: int = 1
    exif: ExifWanted = "none"
    scratch: Scratch = field(default_factory=Scratch)


class Medium(ABC):
    """One input. `index` is its place in the sorted listing, from 0; `file` its name there, as records have it."""

    __slots__ = ("exif", "file", "index", "seen", "sha256")

    def __init__(self, index: int, file: str) -> None:
        self.index, self.file = index, file
        self.sha256: str | None = None
        """Of the bytes that its frames were made from, once these have been taken; None where none were read."""
        self.seen: InputState | None = None
        """Of the file that its frames are made from, once it has been opened."""
        self.exif: Exif | None = None
        """When and where it was taken, known with its first frame; None where that was not asked for."""

    @property
    def in_order(self) -> bool:
        """Whether it can be read only after those before it, so that it has to be read ahead in its turn."""
        return False

    @abstractmethod
    def state(self) -> InputState | None:
        """What tells later whether the input has changed; None where there is no file to look at."""

    @abstractmethod
    def frames(self) -> Iterator[Frame | Failure]:
        """The frames in their order, decoded one at a time; a Failure is the last thing that comes.

        A bad input raises nothing. What says that memory is out may be raised instead of being a Failure.
        """

    def digest(self) -> tuple[str, InputState] | None:
        """Return the sha256 of its bytes, all of which are read now, and its file's state; None if they cannot be read.

        They are what `sha256` and `seen` become when the frames of the same bytes are taken.
        """
        return None

    @abstractmethod
    def read_ahead(self) -> None:
        """Let the kernel begin to read what is about to be asked for; waits for nothing and raises nothing."""


class FailedMedium(Medium):
    """An input of which the listing knew already that there is nothing to be read."""

    __slots__ = ("failure",)

    def __init__(self, index: int, file: str, failure: Failure) -> None:
        super().__init__(index, file)
        self.failure = failure

    def state(self) -> InputState | None:
        return None

    def frames(self) -> Iterator[Frame | Failure]:
        yield self.failure

    def read_ahead(self) -> None:
        pass


class FileMedium(Medium):
    """A medium that is a file at `path`; each kind of media is a subclass, registered in `entrypoint.sources.kinds`."""

    __slots__ = ("options", "path")
    suffixes: ClassVar[frozenset[str]] = frozenset()
    """Suffixes, in lower case with their dot, by which a folder's files are known to be of this kind."""

    def __init__(self, index: int, file: str, path: str, options: ReadOptions) -> None:
        super().__init__(index, file)
        self.path, self.options = path, options

    @classmethod
    @abstractmethod
    def recognises(cls, head: bytes) -> bool:
        """Whether a file that begins with `head`, of up to `filetype.HEAD_BYTES`, is of this kind."""

    @contextmanager
    def opened(self) -> Iterator[InputFile | Failure]:
        """Hold the file open for the time of the block, to read its frames; give a failure if it cannot be."""
        with opened(self.path) as file:
            self.seen = None if isinstance(file, Failure) else file.state
            yield file

    def state(self) -> InputState | None:
        try:
            found = os.stat(self.path)  # noqa: PTH116 - a Path for each of a million files costs seconds
        except OSError:
            return None
        return InputState(found.st_size, found.st_mtime_ns, found.st_ino, found.st_ctime_ns)

    def digest(self) -> tuple[str, InputState] | None:
        with opened(self.path) as file, suppress(OSError):
            if isinstance(file, InputFile):
                sha256 = Extent(file).sha256()
                return None if isinstance(sha256, Failure) else (sha256, file.state)
        return None

    def read_ahead(self) -> None:
        with suppress(OSError):
            if os.path.isfile(self.path):  # noqa: PTH113 - to open a pipe may wait for ever
                descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)
                try:
                    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_WILLNEED)
                finally:
                    os.close(descriptor)


def first_image(medium: Medium) -> NDArray[np.uint8] | Failure:
    """Return the image of a medium's first frame, HWC uint8 BGR upright, or why there is none."""
    frames = medium.frames()
    try:
        first = next(frames, None)
    except Exception as error:  # noqa: BLE001 - whatever a library raises about one input
        first = failure_of(error, medium.file, "read it")
    finally:
        close(frames)
    if first is None:
        return Failure("empty", "without a single frame")
    return first if isinstance(first, Failure) else first.image


def close(frames: Iterator[Frame | Failure]) -> None:
    """End a medium's frames early, so that whatever it reads from is closed now."""
    if isinstance(frames, Generator):
        frames.close()
