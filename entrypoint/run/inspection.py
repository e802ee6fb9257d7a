"""One medium on its way: its frames come out one at a time, and what is found in them becomes its record."""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

from entrypoint.results.formats.base import AnnotatedFrame
from entrypoint.results.results import Results
from entrypoint.run.deadline import Deadline
from entrypoint.sources.faults import failure_of
from entrypoint.sources.medium import Frame, Medium, close
from entrypoint.values import OUT_OF_MEMORY, Detection, Detections, Failure, Record

Ended = Callable[["Inspection", Record | None], None]
_NO_FRAME = Failure("empty", "without a single frame")


class Inspection:
    """A medium that is being looked at. A still is the case of one frame.

    Whoever holds it takes its frames; several threads may say at the same time what was found in earlier ones.
    """

    def __init__(
        self,
        medium: Medium,
        results: Results,
        names: tuple[str, ...],
        deadline: Deadline,
        ended: Ended,
        *,
        alone: bool = False,
    ) -> None:
        """`ended` hears of the record once it is on disk, and of None if the medium is to be tried again.

        `alone` says that there are no others beside it.
        """
        self.medium, self._results, self._names = medium, results, names
        self._deadline, self._ended, self._alone = deadline, ended, alone
        self.writing = threading.Lock()
        """Held while a frame is written: frames are seen side by side, but the results of a medium written in turn."""
        self._frames: Iterator[Frame | Failure] | None = None
        self._ahead: Frame | Failure | None = None
        self._lock = threading.Lock()
        self._under_way, self._all_taken = 0, False
        self._width, self._height = 0, 0
        self._found: list[tuple[int, list[Detection]]] = []
        self._failure: Failure | None = None

    @property
    def has_more(self) -> bool:
        """Whether there is another frame to take."""
        return not self._all_taken

    def read_ahead(self) -> bool:
        """Have the medium read ahead of its turn; return whether it is still to be looked at. Raise OutputError."""
        late = None
        with suppress(Exception):  # it is raised again when the medium is read
            if self.medium.in_order:
                late = self._deadline.within(self.medium.read_ahead)
            else:
                self._deadline.aside(self.medium.read_ahead)
        if late is None:
            return True
        self._all_taken = True
        self._note(late)
        self._end_if_complete()
        return False

    def next_frame(self) -> Frame | None:
        """The next frame, to be looked at; None where there is none. Only one thread at a time may ask.

        The one behind it is read, too, so that a medium is known to end when its last frame is taken. Raises
        OutputError.
        """
        try:
            read = self._deadline.within(self._read_two)
            frame, self._ahead = (read, None) if isinstance(read, Failure) else read
        except Exception as error:  # noqa: BLE001 - whatever a library raises about one input
            frame, self._ahead = failure_of(error, self.medium.file, "read it"), None
        with self._lock:
            for one in (frame, self._ahead):
                if isinstance(one, Failure):
                    self._note(one)
            wanted = frame if isinstance(frame, Frame) and self._failure is None else None
            if wanted:
                self._under_way += 1
                height, width, _ = wanted.image.shape
                self._width, self._height = max(self._width, width), max(self._height, height)
            self._all_taken = wanted is None or not isinstance(self._ahead, Frame)
        if wanted is None:
            self._end_if_complete()
        return wanted

    def write(self, frame: Frame, detections: Detections) -> None:
        """Write what the formats leave of a frame; hold `writing`. Raise OutputError, and what libraries raise."""
        shown = AnnotatedFrame(self.medium.file, frame.image, detections, frame.index, frame.time)
        self._results.frame(shown)
        seen = (frame.index, frame.time) if frame.time is not None else ()
        self._found.append((frame.index, detections.named(self._names, *seen)))

    def written(self) -> None:
        """A frame that was taken is done. Raises OutputError."""
        self._one_less()

    def failed(self, failure: Failure) -> None:
        """A frame that was taken could not be looked at, or not written. Raises OutputError."""
        with self._lock:
            self._failure = self._failure or failure
        self._one_less()

    def _note(self, failure: Failure) -> None:
        """The last thing that a medium gave."""
        self._failure = self._failure or failure

    def _one_less(self) -> None:
        with self._lock:
            self._under_way -= 1
        self._end_if_complete()

    def _read_two(self) -> tuple[Frame | Failure | None, Frame | Failure | None]:
        """Return what comes next, and what comes behind it if that is a frame."""
        first = self._ahead or self._read()
        return first, self._read() if isinstance(first, Frame) and not self._failure else None

    def _read(self) -> Frame | Failure | None:
        if self._frames is None:
            self._frames = self._begun()
        return next(self._frames, None)

    def _begun(self) -> Iterator[Frame | Failure]:
        """The frames, now that the results are known to be begun."""
        self._results.begin(self.medium.index)
        return self.medium.frames()

    def _end_if_complete(self) -> None:
        with self._lock:
            if not self._all_taken or self._under_way:
                return
            self._under_way = -1  # so that this is the only time
        if self._frames is not None:
            with suppress(Exception):  # the record says already what there was to read
                close(self._frames)
        self._ended(self, self._conclude())

    def _conclude(self) -> Record | None:
        """Write the record, and give it; None when the medium is to be tried alone."""
        return self._finish(self._record())

    def _record(self) -> Record:
        file, sha256 = self.medium.file, self.medium.sha256
        if failure := self._failure or (None if self._width else _NO_FRAME):
            return Record.failed(file, failure, sha256)
        found = sorted(self._found, key=lambda pair: pair[0])
        detections = tuple(one for _, named in found for one in named)
        return Record(file, self._width, self._height, detections, sha256=sha256, exif=self.medium.exif)

    def _finish(self, record: Record) -> Record | None:
        """Write the record, and give what was written; None when the medium is to be tried alone."""
        if record.failure is None:
            try:
                self._results.finish(self.medium.index, record, self.medium.seen)
            except Exception as error:  # noqa: BLE001 - whatever a format raises about one input
                record = Record.failed(record.file, failure_of(error, record.file, "write it"), record.sha256)
            else:
                return record
        if record.failure and record.failure.kind == OUT_OF_MEMORY and not self._alone:
            return None
        self._results.finish(self.medium.index, record, self.medium.seen)
        return record
