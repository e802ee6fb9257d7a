"""What a run leaves, as one object: the only one that the pipeline knows."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from entrypoint.errors import OutputError
from entrypoint.inputstate import InputState
from entrypoint.jsontext import compact
from entrypoint.log import LOG
from entrypoint.results.formats import places, wanted, write_run
from entrypoint.results.formats.base import AnnotatedFrame, Format, FrameFormat, InputFormat, MediumFormat
from entrypoint.results.journal import JOURNAL, Journal
from entrypoint.results.journalentry import Done, Entry
from entrypoint.results.leaving import Leaving
from entrypoint.results.obstacles import look_for_obstacles
from entrypoint.results.paths import twins
from entrypoint.results.pictures import Pictures
from entrypoint.results.recovery import forget, recover
from entrypoint.results.runfolder import RunFolder, output_errors
from entrypoint.results.runstatus import RunStatus
from entrypoint.results.segments import Segment
from entrypoint.settings import Settings
from entrypoint.sources.faults import failure_of
from entrypoint.text import printable
from entrypoint.values import Record, ResultError

if TYPE_CHECKING:
    from entrypoint.results.videoresults import VideoResults


class Results:
    """The formats that a run writes, and its journal. Inputs go by their place in the sorted `files`.

    All of it may be called from several threads; an input is one thread's at a time: `begin`, `frame` for each frame,
    `finish`. Raises OutputError when the output folder is the trouble, and from `frame` and `finish` ResultError when
    only this input's results are: the input is then to be finished with a failed record.
    """

    def __init__(
        self,
        folder: RunFolder,
        settings: Settings,
        names: tuple[str, ...],
        files: Sequence[str],
        source: Sequence[str] | None = None,
    ) -> None:
        """`names`: the network's classes by id. Whatever stands in the way of results is found out here already.

        `source`: the inputs of all shards, where `files` are those of one.

        In a folder that is continued, what is left of inputs that are gone, or were not finished, is removed.
        """
        self._folder, self._files = folder, files
        self._settings, self._names = settings, names
        self._formats = wanted(settings, names)
        self._videos: set[VideoResults] = set()
        for kind in self._formats:
            kind.expect(files if source is None else source)
        self._of_frames = [kind for kind in self._formats if isinstance(kind, FrameFormat)]
        self._of_media = [kind for kind in self._formats if isinstance(kind, MediumFormat)]
        self.pictures = Pictures(self._formats)
        self._of_content = [kind for kind in self._formats if not isinstance(kind, MediumFormat)]
        self._twins = frozenset[str]() if folder.tells_case else twins(files)
        with output_errors(folder.path / JOURNAL):
            self._journal = open_journal(folder, files)
        folder.on_close(self._let_go)
        folder.on_close(self._journal.close)
        with output_errors(folder.path):
            recover(folder, self._journal)
            if not folder.fresh:
                look_for_obstacles(folder, self._formats, files, self._journal.has, self._twins)

    def index(self, file: str) -> int:
        """The place of an input in `files`. Raises KeyError for one that is not there."""
        index = self._journal.index(file)
        if index is None:
            raise KeyError(file)
        return index

    def reusable(self, index: int, state: InputState | None) -> Done | None:
        """What an earlier attempt has left, if there are detections, its results are there, the input is the same."""
        done = self._done(index, state) if state else None
        try:
            return done if done and all(map(self._folder.tree.exists, done.files)) else None
        except (OSError, ValueError):
            return None

    def _done(self, index: int, state: InputState) -> Done | None:
        if seen := self._journal.glance(index, state):
            return seen
        entry = self._journal.read(index)
        if entry is None or entry.record.failure or entry.state != state or entry.record.file != self._files[index]:
            return None
        return Done.of(entry)

    def begin(self, index: int) -> None:
        """An input is about to be looked at: nothing of an earlier attempt at it stays."""
        self._forget_segments(self._files[index])
        self._begin(index)

    def _begin(self, index: int) -> None:
        file = self._files[index]
        self._folder.remove(self._folder.ledger.take(file))
        if self._journal.has(index):
            left = self._journal.left(index)
            forget(self._folder, self._journal, file, self._likely(file) if left is None else left)

    def _likely(self, file: str) -> tuple[str, ...]:
        """What an input has left whose line is damaged, as far as its name tells that."""
        record = Record(file, 1, 1, ())
        return tuple(path for kind in self._formats if isinstance(kind, InputFormat) for path in kind.places(record))

    def frame(self, shown: AnnotatedFrame) -> None:
        """Write what the formats leave of a frame; it may draw on the image.

        Frames of videos go to what `begin_video` gives.
        """
        if shown.time is not None:
            return
        leave = self.leave(shown.file)
        for kind in self._of_frames:
            with _of_one_input(shown.file, kind):
                kind.write(shown, leave)

    def finish(self, index: int, record: Record, state: InputState | None) -> None:
        """Write what the formats leave of an input, and then its record; of one that failed no frame's results stay."""
        self._finish(index, record, state)

    def _finish(self, index: int, record: Record, state: InputState | None, kept: tuple[str, ...] = ()) -> None:
        """`kept`: results of the input that lines of the journal vouch for already."""
        file = record.file
        if record.detections is None:
            self._folder.remove(self._folder.ledger.take(file))
        line, leave = b"" if record.video else compact(record.to_json()), self.leave(file)
        for kind in self._of_media:
            try:
                with _of_one_input(file, kind):
                    kind.write(record, line, leave)
            except ResultError as error:
                if not record.failure:
                    raise
                LOG.warning("%s: %s", file, error)
        with output_errors(self._folder.path, JOURNAL), self._folder.ledger.recording(file) as left:
            self._journal.append(index, Entry(record, state, (*kept, *left)).to_line(line))
        self._journal.sync()

    def places_of(self, earlier: Entry, file: str) -> dict[str, str]:
        """Where this run leaves what another one has left of an input, once that is called `file`.

        By those of the entry's paths that it may have. What is made of the record alone is made anew, by `finish`.
        """
        kinds = [kind for kind in self._of_content if not isinstance(kind, InputFormat) or kind.leaves(file)]
        return places(kinds, earlier.record, earlier.files, file)

    def begin_video(self, index: int, state: InputState | None) -> "VideoResults":
        """A video is about to be looked at, behind the segments of it that an earlier attempt has left whole."""
        from entrypoint.results.videoresults import VideoResults  # with it the libraries that runs of stills do without

        file = self._files[index]
        segments = [] if self._journal.has(index) else self._segments(file, state)
        if not segments:
            self._forget_segments(file)
        self._begin(index)
        leave = self.leave(file)

        def ended(segment: Segment) -> Segment:
            with output_errors(self._folder.path, JOURNAL), self._folder.ledger.recording(file) as left:
                self._journal.append_segment(file, segment.to_line(file, state, left))
            return replace(segment, files=left)

        video = VideoResults(self._folder, leave, self._settings, self._names, self._formats, segments, ended)
        self._videos.add(video)
        return video

    def finish_video(self, index: int, video: "VideoResults", record: Record, state: InputState | None) -> None:
        """As `finish`, with the record that the video has given, or that of one that failed as a whole."""
        self.leave_video(video)
        if record.detections is None:
            self._forget_segments(self._files[index])
        self._finish(index, record, state, () if record.detections is None else video.kept)
        video.settle()

    def leave_video(self, video: "VideoResults") -> None:
        """Look at a video no further: segments that are whole stay, for when it is begun again."""
        self._videos.discard(video)
        video.close()

    def write_run(self, status: RunStatus, missing: Callable[[int], Record | None]) -> None:
        """Write the files of the whole run, of which `status` says what is known when all inputs have their records.
        `missing` gives the record of an input that this attempt has not come to, None for any other.
        """
        write_run(self._formats, self._folder, self._records(missing), status)

    def _records(self, missing: Callable[[int], Record | None]) -> Iterator[Record]:
        for index in range(len(self._files)):
            if record := missing(index) or self._journal.record(index):
                yield record
            elif self._journal.has(index):
                raise OutputError(
                    f"{self._folder.path / JOURNAL}: the record of {printable(self._files[index])} has been damaged "
                    "since the run began; run the same command again, or with another --name where that does not help"
                )

    def leave(self, file: str) -> Leaving:
        """What writes results of `file`, under other names where the file system would take them for another's."""
        return Leaving(self._folder, file, is_twin=file in self._twins, is_own=self._is_own)

    def _is_own(self, path: str) -> bool:
        """Whether something in the run folder is this run's, be it a folder on the way to its results."""
        for file in self._files:
            left = self._folder.ledger.of(file)
            if any(one == path or one.startswith(f"{path}/") for one in left):
                return True
        entries = (self._journal.read(index) for index in range(len(self._files)))
        return any(one == path or one.startswith(f"{path}/") for entry in entries if entry for one in entry.files)

    def _segments(self, file: str, state: InputState | None) -> list[Segment]:
        """The segments of a video that hold: of the same input, one after the other, with all their results."""
        found = []
        for number, (segment, of) in enumerate(self._journal.segments(file)):
            if segment.number != number or of != state or not all(map(self._folder.tree.exists, segment.files)):
                break
            found.append(segment)
        for segment, _ in self._journal.segments(file)[len(found) :]:
            self._folder.remove(segment.files)
        return found

    def _forget_segments(self, file: str) -> None:
        """Remove the results of a video's segments."""
        segments = self._journal.segments(file)
        for segment, _ in segments:
            self._folder.remove(segment.files)
        if segments:
            with output_errors(self._folder.path / JOURNAL):
                self._journal.take_back(file)

    def _let_go(self) -> None:
        while self._videos:
            self._videos.pop().close()


@contextmanager
def _of_one_input(file: str, kind: Format) -> Iterator[None]:
    """Raise ResultError for whatever a format raises about one input, and OutputError as it is."""
    try:
        yield
    except Exception as error:
        raise ResultError(failure_of(error, file, f"write it as {kind.name}")) from error


def open_journal(folder: RunFolder, files: Sequence[str]) -> Journal:
    """The journal of a folder that is this process's. Raises OSError."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    return Journal(os.open(JOURNAL, flags, 0o644, dir_fd=folder.tree.descriptor), files, folder.tree.open)
