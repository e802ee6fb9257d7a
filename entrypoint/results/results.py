"""What a run leaves, as one object: the only one that the pipeline knows."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

from entrypoint.log import LOG
from entrypoint.results.formats import places, wanted, write_run
from entrypoint.results.formats.base import AnnotatedFrame, FrameFormat, Leave, MediumFormat, RunFormat
from entrypoint.results.journal import JOURNAL, Entry, Journal
from entrypoint.results.paths import twin_path, twins
from entrypoint.results.runfolder import InTheWayError, RunFolder, output_errors
from entrypoint.settings import Settings
from entrypoint.values import Failure, InputState, Record, ResultError, compact


class Results:
    """The formats that a run writes, and its journal. Inputs go by their place in the sorted `files`.

    All of it may be called from several threads; an input is one thread's at a time: `begin`, `frame` for each frame,
    `finish`. Raises OutputError when the output folder is the trouble, and from `frame` and `finish` ResultError when
    only this input's results are: the input is then to be finished with a failed record.
    """

    def __init__(self, folder: RunFolder, settings: Settings, names: tuple[str, ...], files: Sequence[str]) -> None:
        """`names`: the network's classes by id. Whatever stands in the way of results is found out here already.

        In a folder that is continued, what is left of inputs that are gone, or were not finished, is removed.
        """
        self._folder, self._files = folder, files
        self._formats = wanted(settings, names)
        self._of_frames = [kind for kind in self._formats if isinstance(kind, FrameFormat)]
        self._of_media = [kind for kind in self._formats if isinstance(kind, MediumFormat)]
        folder.formats = tuple(kind.name for kind in self._formats)
        self._twins = frozenset[str]() if folder.tells_case else twins(files)
        with output_errors(folder.path / JOURNAL):
            self._journal = open_journal(folder, files)
        folder.on_close(self._journal.close)
        with output_errors(folder.path):
            self._recover()
            if not folder.fresh:
                self._look_for_obstacles()

    def index(self, file: str) -> int:
        """The place of an input in `files`. Raises KeyError for one that is not there."""
        index = self._journal.index(file)
        if index is None:
            raise KeyError(file)
        return index

    def reusable(self, index: int, state: InputState | None) -> Record | None:
        """The record of an earlier attempt, if it has detections, its results are there, and the input is the same."""
        entry = self._journal.read(index) if state else None
        if entry is None or entry.record.failure or entry.state != state or entry.record.file != self._files[index]:
            return None
        try:
            return entry.record if all(map(self._folder.tree.exists, entry.files)) else None
        except OSError:
            return None

    def begin(self, index: int) -> None:
        """An input is about to be looked at: nothing of an earlier attempt at it stays."""
        file = self._files[index]
        self._folder.remove(self._folder.ledger.take(file))
        if self._journal.has(index):
            entry = self._journal.read(index)
            self._forget(file, entry.files if entry else ())

    def frame(self, shown: AnnotatedFrame) -> None:
        """Write what the formats leave of a frame; it may draw on the image.

        Of one that has a time, and so has others beside it, nothing: its detections are in the record.
        """
        if shown.time is not None:
            return
        leave = self._leave(shown.file)
        for kind in self._of_frames:
            kind.write(shown, leave)

    def finish(self, index: int, record: Record, state: InputState | None) -> None:
        """Write what the formats leave of an input, and then its record; of one that failed no frame's results stay."""
        file = record.file
        if record.failure:
            self._folder.remove(self._folder.ledger.take(file))
        line, leave = compact(record.to_json()), self._leave(file)
        for kind in self._of_media:
            try:
                kind.write(record, line, leave)
            except ResultError as error:
                if not record.failure:
                    raise
                LOG.warning("%s: %s", file, error)
        with output_errors(self._folder.path / JOURNAL), self._folder.ledger.recording(file) as left:
            self._journal.append(index, Entry(record, state, left).to_line(line))
        self._journal.sync()

    def frame_places(self, earlier: Entry, file: str) -> dict[str, str]:
        """Where this run leaves what another one has left of frames, once the entry's input is called `file`.

        By those of the entry's paths that it may have. What is written of whole media is made anew from the record.
        """
        return places(self._of_frames, earlier.record, earlier.files, file)

    def adopt(self, file: str, descriptor: int, path: str) -> None:
        """Make an open file of another run a result of the input `file`, at one of the `frame_places`.

        Raises as `frame` does.
        """
        with self._own_in_the_way():
            self._folder.adopt(file, descriptor, twin_path(path) if file in self._twins else path)

    def write_run(self, info: dict[str, Any], missing: Callable[[int], Record | None]) -> None:
        """Write the files of the whole run.

        `missing` gives the record of an input that this attempt has not come to, None for any other.
        """
        write_run(self._formats, self._folder, self._records(missing), info)

    def _records(self, missing: Callable[[int], Record | None]) -> Iterator[Record]:
        for index in range(len(self._files)):
            record = missing(index)
            entry = None if record else self._journal.read(index)
            if found := record or (entry and entry.record):
                yield found

    def _leave(self, file: str) -> Leave:
        """What writes results of `file`, under other names where the file system would take them for another's."""
        is_twin = file in self._twins

        def leave(path: str, data: bytes | memoryview) -> None:
            with self._own_in_the_way():
                self._folder.write(file, twin_path(path) if is_twin else path, data)

        return leave

    @contextmanager
    def _own_in_the_way(self) -> Iterator[None]:
        """What stands in the way of a result and is another input's is this input's trouble alone."""
        try:
            yield
        except InTheWayError as error:
            if not self._is_own(error.path):
                raise
            failure = Failure("not_written", f"{error.path} is the place of another input's result")
            raise ResultError(failure) from error

    def _is_own(self, path: str) -> bool:
        """Whether something in the run folder is this run's, be it a folder on the way to its results."""
        for file in self._files:
            left = self._folder.ledger.of(file)
            if any(one == path or one.startswith(f"{path}/") for one in left):
                return True
        entries = (self._journal.read(index) for index in range(len(self._files)))
        return any(one == path or one.startswith(f"{path}/") for entry in entries if entry for one in entry.files)

    def _recover(self) -> None:
        """Put right what a kill, or a source that has changed since, has left behind."""
        for file, offset in list(self._journal.unlisted.items()):
            entry = self._journal.read_at(offset)
            self._forget(file, entry.files if entry else ())
        begun: dict[str, list[str]] = {}
        for file, path in self._folder.ledger.earlier:
            if file:
                begun.setdefault(file, []).append(path)
        for file, paths in begun.items():
            index = self._journal.index(file)
            entry = None if index is None else self._journal.read(index)
            self._folder.remove(tuple(path for path in paths if entry is None or path not in entry.files))
        if self._folder.ledger.earlier:
            self._folder.ledger.settle_earlier()

    def _forget(self, file: str, files: tuple[str, ...]) -> None:
        """Remove an input's results, and then its record: a kill in between leaves one that is seen not to hold."""
        self._folder.remove(files)
        with output_errors(self._folder.path / JOURNAL):
            self._journal.take_back(file)

    def _look_for_obstacles(self) -> None:
        """Raises InTheWayError for the first thing that stands where a result of an input without a record belongs."""
        for kind in self._formats:
            if (
                isinstance(kind, RunFormat)
                and kind.file not in self._folder.left
                and self._folder.tree.exists(kind.file)
            ):
                raise InTheWayError(self._folder.path, kind.file)
        kinds = [kind for kind in (*self._of_frames, *self._of_media) if self._folder.tree.exists(kind.folder)]
        for index, file in enumerate(self._files if kinds else ()):
            for kind in kinds if not self._journal.has(index) else ():
                for path in islice(kind.places(Record(file, 1, 1, ())), 1):
                    if obstacle := self._folder.tree.obstacle(twin_path(path) if file in self._twins else path):
                        raise InTheWayError(self._folder.path, obstacle)


def open_journal(folder: RunFolder, files: Sequence[str]) -> Journal:
    """The journal of a folder that is this process's. Raises OSError."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    return Journal(os.open(JOURNAL, flags, 0o644, dir_fd=folder.tree.descriptor), files)
