"""What the formats for labelled stills have in common: which inputs are in them, and by which name."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import IO, ClassVar, Self

import numpy as np

from entrypoint.errors import UsageError
from entrypoint.log import LOG
from entrypoint.results.formats.base import Leave, MediumFormat, RunFilesFormat
from entrypoint.results.paths import result_path
from entrypoint.results.runfolder import RunFolder
from entrypoint.results.runstatus import RunStatus
from entrypoint.values import Detection, Record


@dataclass(frozen=True, slots=True)
class Labelled:
    """A still that was looked at: its size in pixels is known, and so is what was found, which may be nothing."""

    file: str
    width: int
    height: int
    detections: tuple[Detection, ...]

    @classmethod
    def of(cls, record: Record) -> Self | None:
        """None for an input that failed, and for a video."""
        if record.video or record.detections is None or record.width is None or record.height is None:
            return None
        return cls(record.file, record.width, record.height, tuple(record.detections))


class StillsFormat(RunFilesFormat):
    """A dataset of stills.

    Inputs that failed are left out, for they have no size. Videos are left out too, and that is logged.
    """

    @contextmanager
    def writing_all(
        self, files: Sequence[IO[bytes]], status: RunStatus, folder: RunFolder
    ) -> Iterator[Callable[[Record], None]]:
        videos = 0
        with self.writing_stills(files, status) as write:

            def take(record: Record) -> None:
                nonlocal videos
                if record.video and record.detections is not None:
                    videos += 1
                elif labelled := Labelled.of(record):
                    write(labelled)

            yield take
        if videos:
            LOG.warning("%s is a format for stills: %d video%s left out", self.name, videos, "s" * (videos != 1))

    @abstractmethod
    def writing_stills(
        self, files: Sequence[IO[bytes]], status: RunStatus
    ) -> AbstractContextManager[Callable[[Labelled], None]]:
        """For the time of the block, what takes each still, sorted by file; then all is in `files`."""


class LabelFilesFormat(MediumFormat, StillsFormat):
    """A dataset with a label file for each still, named as the image without its suffix, and some files beside."""

    level = "medium"  # type: ignore[assignment]  # and the files beside, of the run
    suffix: ClassVar[str]

    @classmethod
    def suffixes(cls, file: str) -> Sequence[str]:
        return (cls.suffix,)

    @classmethod
    def places(cls, record: Record) -> Iterator[str]:
        yield result_path(cls.folder, cls.stem(record.file), cls.suffix)

    @classmethod
    def is_in_the_way(cls, file: str, other: str) -> bool:
        return False  # `expect` has seen to that

    def expect(self, files: Sequence[str]) -> None:
        refuse_same_names(self.name, files, self.stem)

    def write(self, record: Record, line: bytes, leave: Leave) -> None:
        labelled = Labelled.of(record)
        if labelled is not None:
            leave(result_path(self.folder, self.stem(record.file), self.suffix), self.labels(labelled).encode())

    @staticmethod
    @abstractmethod
    def stem(file: str) -> str:
        """The name of an input's label file without the suffix."""

    @abstractmethod
    def labels(self, still: Labelled) -> str:
        """What stands in the label file of a still."""


def without_suffix(file: str) -> str:
    """`a/x.jpg` becomes `a/x`, as readers drop the suffix of an image to find its labels."""
    folder, slash, name = file.rpartition("/")
    return folder + slash + (name.rpartition(".")[0] or name)


def flattened(file: str) -> str:
    """`a/x.jpg` becomes `a__x`: a name without folders, for readers that look into one folder only."""
    return without_suffix(file).replace("/", "__")


def refuse_same_names(format_name: str, files: Sequence[str], label_name: Callable[[str], str]) -> None:
    """Make sure that no two of `files` share a label file, of which `label_name` gives the name without a suffix.

    Raises UsageError that names two files which do.
    """
    # By hashes first: eight bytes for each of what may be a million names.
    hashes = np.fromiter((hash(label_name(file)) for file in files), np.int64, len(files))
    hashes.sort()
    repeated = set(hashes[1:][hashes[1:] == hashes[:-1]].tolist())
    if not repeated:
        return
    seen: dict[str, str] = {}
    for file in files:
        label = label_name(file)
        if hash(label) not in repeated:
            continue
        if label in seen:
            raise UsageError(
                f"--format {format_name}: {seen[label]!r} and {file!r} would share one label file, for the format "
                "drops the suffix of an image; rename one of them, or leave this format out"
            )
        seen[label] = file
