"""What a format declares and must offer, and what it gets.

A format is one class in one file of this folder, found by being there. The command line, resume, merge, `--exist-ok`
and the names that inputs get derive from what it declares.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from entrypoint.jsontext import compact
from entrypoint.results.paths import result_path
from entrypoint.results.runfolder import RunFolder
from entrypoint.results.runstatus import RunStatus
from entrypoint.settings import Settings
from entrypoint.values import Detections, Record

Level = Literal["frame", "medium", "run"]

Leave = Callable[[str, bytes | memoryview | Iterator[bytes]], None]
"""Writes bytes, or pieces of them, to a path in the run folder that `result_path` made.

Raises OutputError, ResultError.
"""


@dataclass(frozen=True, slots=True)
class AnnotatedFrame:
    """A frame that was looked at: `image` HWC uint8 BGR upright, and what was found in it.

    `file` is its input. Of a video, `index` says which frame it is, `time` when, in seconds, and `number` its place
    among those that were looked at, from 1.
    """

    file: str
    image: NDArray[np.uint8]
    detections: Detections
    index: int = 0
    time: float | None = None
    number: int | None = None


class Format(ABC):
    """One way to write results. An instance serves all threads of a run."""

    name: ClassVar[str]
    """As `--format` and status.json call it."""
    option: ClassVar[str | None] = None
    """The option of detect.py that asks for it or, for one that is written by default, leaves it out."""
    help: ClassVar[str]
    default: ClassVar[bool] = False
    """Whether it is written when nothing is said."""
    level: ClassVar[Level]
    """What it writes at a time: a frame, an input (medium), or all there is (run)."""
    needs_images: ClassVar[bool] = False
    """Whether it is written while images are looked at, so that it cannot be made of records afterwards."""

    def __init__(self, settings: Settings, names: tuple[str, ...]) -> None:
        """`names`: the network's classes by id."""
        self.settings, self.names = settings, names

    @classmethod
    def is_wanted(cls, settings: Settings) -> bool:
        """Whether these settings ask for it: `--format` by its name, or an option of detect.py."""
        if cls.name in settings.format:
            return True
        if f"no-{cls.name}" in settings.format:
            return False
        field = (cls.option or "").lstrip("-").replace("-", "_")
        return cls.default != bool(field and getattr(settings, field))

    def require(self) -> None:  # noqa: B027 - most need nothing
        """Raise UsageError or ResourceError where this machine cannot write it. Called before any work is done."""

    def expect(self, files: Sequence[str]) -> None:  # noqa: B027 - most have nothing to expect
        """Called once, before any input is looked at, with all of them, sorted, those of other shards too.

        Raises UsageError when they cannot all be written in this format.
        """


class InputFormat(Format):
    """What formats have in common that leave files for each input, all below one `folder` of the run folder."""

    folder: ClassVar[str]

    def leaves(self, file: str) -> bool:
        """Whether an input may have something in this format."""
        return True

    @classmethod
    @abstractmethod
    def suffixes(cls, file: str) -> Sequence[str]:
        """What may stand behind the input's name in the names of its results; of several at most one is left."""

    @classmethod
    def places(cls, record: Record) -> Iterator[str]:
        """All paths at which a record may have left something: no others are taken over in a merge."""
        for suffix in cls.suffixes(record.file):
            yield result_path(cls.folder, record.file, suffix)

    @classmethod
    def is_in_the_way(cls, file: str, other: str) -> bool:
        """Whether a result of `file` would have the name of `other`, an input, or of a folder that `other` lies in."""
        return any(other == file + suffix or other.startswith(f"{file}{suffix}/") for suffix in cls.suffixes(file))


class FrameFormat(InputFormat):
    """Writes something for each frame that was looked at."""

    level = "frame"
    needs_images = True
    draws: ClassVar[bool] = False
    """Whether it draws on the image, which all formats share: those that do come last."""
    of_videos: ClassVar[bool] = False
    """Whether it is also written for each frame of a video."""

    @abstractmethod
    def write(self, shown: AnnotatedFrame, leave: Leave) -> None:
        """Write for one frame. Raises ResultError when nothing can be written for it, and what `leave` raises."""


class MediumFormat(InputFormat):
    """Writes something for each input, when its record is known; also for one that failed."""

    level = "medium"

    @abstractmethod
    def write(self, record: Record, line: bytes, leave: Leave) -> None:
        """Write for one input; `line` is its record's JSON, empty for a video. Raises as FrameFormat's does."""


class RunFormat(Format):
    """Writes one `file` in the run folder, made from all records; of several runs that are merged it is made anew."""

    level = "run"
    file: ClassVar[str]

    @abstractmethod
    def writing(
        self, file: IO[bytes], info: dict[str, Any], scratch: Path
    ) -> AbstractContextManager[Callable[[Record], None]]:
        """For the time of the block, what takes each record, sorted by file; then all is in `file`.

        `info` says where the records come from; in `scratch` there is room for temporary files.
        """


class RunFilesFormat(Format):
    """Writes several `files` in the run folder, made from all records; as RunFormat, which writes one."""

    level = "run"
    files: ClassVar[tuple[str, ...]]

    @abstractmethod
    def writing_all(
        self, files: Sequence[IO[bytes]], status: RunStatus, folder: RunFolder
    ) -> AbstractContextManager[Callable[[Record], None]]:
        """For the time of the block, what takes each record, sorted by file; then all is in `files`.

        `status` is what is known of the run when all its inputs have their records. What formats have left of these is
        in the run's `folder`.
        """


class JsonArray:
    """The items of a JSON array in a file, a line for those that are added together."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.count = file, 0

    def add(self, items: Sequence[object]) -> None:
        """Write so many more."""
        self._add(compact(items)[1:-1], len(items))

    def add_texts(self, items: Sequence[str]) -> None:
        """Write so many more, each of which is JSON already."""
        self._add(", ".join(items).encode(), len(items))

    def add_text(self, pieces: Iterable[bytes]) -> None:
        """Write one more, which is JSON in pieces."""
        self._file.write(b",\n" if self.count else b"\n")
        self._file.writelines(pieces)
        self.count += 1

    def _add(self, items: bytes, count: int) -> None:
        if count:
            self._file.write((b",\n" if self.count else b"\n") + items)
            self.count += count
