"""All that a run leaves of its inputs: what the pipeline and the job write to and read from."""

import errno
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from entrypoint.errors import OutputError
from entrypoint.results.formats import image_writers, write_run
from entrypoint.results.formats.base import Looked
from entrypoint.results.recordstore import RecordStore
from entrypoint.results.runfolder import RunFolder
from entrypoint.settings import Settings
from entrypoint.values import Detections, Failure, InputState, Record, ResultError

# What is wrong with one path, and with no other in the folder of the run.
_OF_ONE_PATH = (errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR, errno.ELOOP, errno.EEXIST, errno.ENOTEMPTY)


@dataclass(frozen=True, slots=True)
class AnnotatedFrame:
    """A frame that was looked at: `image` HWC uint8 BGR upright, and what was found in it; `time` None for a still."""

    file: str
    image: NDArray[np.uint8]
    detections: Detections
    index: int = 0
    time: float | None = None


class Results:
    """Of one run. Several threads may use it at once."""

    def __init__(self, folder: RunFolder, settings: Settings, names: tuple[str, ...], files: Sequence[str]) -> None:
        """`files` are the names of all inputs, sorted; elsewhere an input is known by its place among them."""
        self._folder, self._settings, self._names, self._files = folder, settings, names, files
        self._store, self._writers = RecordStore(folder), image_writers(settings, folder, names)
        self._without_file: dict[int, Record] = {}

    def reusable(self, index: int, state: InputState | None) -> Record | None:
        """The record with detections that an earlier attempt left of an input that is still the same."""
        found = self._store.load(self._files[index], state)
        return found if found is not None and found.failure is None else None

    def begin(self, index: int) -> None:
        """An input is about to be looked at, and none of its files is written yet."""

    def frame(self, shown: AnnotatedFrame) -> None:
        """Write what is asked for about a frame; its image may be drawn on.

        Raises OutputError when nothing can be written, ResultError when only this input's files cannot.
        """
        if shown.time is None:
            with _of_one_input():
                for writer in self._writers:
                    writer.write(Looked(shown.file, shown.image, shown.detections))

    def finish(self, index: int, record: Record, state: InputState | None) -> None:
        """The record of an input, when all its frames are written. Raises as `frame` does, ResultError for none that
        failed.
        """
        try:
            with _of_one_input():
                self._store.save(record)
        except ResultError:
            if record.failure is None:
                raise
            self._without_file[index] = record

    def write_run(self, info: dict[str, Any], missing: Callable[[int], Record | None]) -> None:
        """The files about the whole run; `missing` gives the record of an input that has none. Raises OutputError."""
        records = (
            self._without_file.get(index) or missing(index) or self._store.of(file)
            for index, file in enumerate(self._files)
        )
        write_run(self._settings, self._folder, self._names, records, info)


@contextmanager
def _of_one_input() -> Iterator[None]:
    try:
        yield
    except OutputError as error:
        cause = error.__cause__
        if isinstance(cause, OSError) and cause.errno in _OF_ONE_PATH:
            raise ResultError(Failure("unwritable", f"its results cannot be written: {cause.strerror}")) from error
        raise
