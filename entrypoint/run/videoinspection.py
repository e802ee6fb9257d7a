"""One video on its way: what is found in its frames is written in their order, and goes on after a stop."""

import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from entrypoint.log import LOG
from entrypoint.results.results import Results
from entrypoint.run.deadline import TIMED_OUT, Deadline
from entrypoint.run.inspection import Ended, Inspection
from entrypoint.sources.extent import Extent
from entrypoint.sources.faults import failure_of, read_failure
from entrypoint.sources.medium import Frame
from entrypoint.sources.moving import PlacedFrame, VideoMedium
from entrypoint.values import OUT_OF_MEMORY, Detections, Failure, Record

if TYPE_CHECKING:
    from entrypoint.results.videoresults import VideoResults
    from entrypoint.sources.video import VideoReading

_SILENT_SECONDS = 30.0
# Decoding and encoding give Python's lock away for each frame, and would wait ten times as long to have it back.
_SWITCH_SECONDS = 0.0005


class VideoInspection(Inspection):
    """A video that is being looked at. What is missing at its end is said beside what was found in the rest."""

    def __init__(
        self,
        medium: VideoMedium,
        results: Results,
        names: tuple[str, ...],
        deadline: Deadline,
        ended: Ended,
        *,
        alone: bool = False,
    ) -> None:
        super().__init__(medium, results, names, deadline, ended, alone=alone)
        self._source, self._files = medium, ExitStack()
        self._extent: Extent | Failure | None = None
        self._reading: VideoReading | None = None
        self._left: VideoResults | None = None
        self._ending: Failure | None = None
        self._turns = deque[int]()  # indices of frames under way, in their order
        self._waiting: dict[int, tuple[PlacedFrame, Detections]] = {}  # until all frames before them are known
        self._said = time.monotonic()

    def next_frame(self) -> Frame | None:
        frame = super().next_frame()
        if frame is not None:
            self._turns.append(frame.index)
        return frame

    def write(self, frame: Frame, detections: Detections) -> None:
        if isinstance(frame, PlacedFrame):
            self._waiting[frame.index] = frame, detections
        while self._turns and self._turns[0] in self._waiting and not self._failure:
            earliest, found = self._waiting.pop(self._turns.popleft())
            if self._left and self._reading and self._reading.look:
                self._left.frame(earliest, found, self._reading.look)
            self._tell(earliest)

    def _begun(self) -> Iterator[Frame | Failure]:
        sys.setswitchinterval(_SWITCH_SECONDS)
        self._extent = self._files.enter_context(self._source.extent())
        self._left = self._results.begin_video(self.medium.index, self.medium.seen)
        if isinstance(self._extent, Failure):
            return iter((self._extent,))
        self._reading = self._source.reading(self._extent, self._left.after)
        return iter(self._reading)

    def _note(self, failure: Failure) -> None:
        if failure.kind in (OUT_OF_MEMORY, TIMED_OUT):  # later there may be enough
            super()._note(failure)
        else:
            self._ending = self._ending or failure

    def _conclude(self) -> Record | None:
        with self._files:
            record = self._record()
            record = record if record.detections is None else self._identified(record)
            if self._left is None:
                return self._finish(record)
            try:
                return self._finish_video(self._left, record)
            except Exception as error:  # noqa: BLE001 - whatever a format raises about one input
                record = Record.failed(record.file, failure_of(error, record.file, "write it"), record.sha256)
            return self._finish_video(self._left, record)

    def _record(self) -> Record:
        """What the run leaves of the video; a failure where that cannot be all that was asked for."""
        file = self.medium.file
        failure = self._failure or (self._extent if isinstance(self._extent, Failure) else None)
        if failure or not (self._left and self._reading and isinstance(self._extent, Extent)):
            return Record.failed(file, failure or Failure("unreadable", "cannot be read"))
        try:
            record = self._left.finish(self._ending, self._reading.facts, self._extent)
        except Exception as error:  # noqa: BLE001 - whatever a library raises about one input
            return Record.failed(file, failure_of(error, file, "join its parts"))
        if self._reading.accepted:
            LOG.warning("%s: %s", file, self._reading.accepted)
        return record

    def _identified(self, record: Record) -> Record:
        """Return the record with the sha256 of all bytes of the video, which were not read in their order until now.

        The record is a failed one if they cannot be read to the end, or are not those that the frames were made from.
        """
        if not isinstance(self._extent, Extent):
            return record
        try:
            sha256 = self._deadline.within(self._extent.sha256)
        except OSError as error:
            sha256 = read_failure(error)
        except Exception as error:  # noqa: BLE001 - whatever a library raises about one input
            sha256 = failure_of(error, record.file, "read it to its end")
        if isinstance(sha256, Failure):
            return Record.failed(record.file, sha256)
        return replace(record, sha256=sha256)

    def _finish_video(self, left: "VideoResults", record: Record) -> Record | None:
        """Write the record and return it; return None if the video is to be tried again from its last segment."""
        failure = record.failure if record.detections is None else None
        out_of_memory = failure and failure.kind == OUT_OF_MEMORY and not self._alone
        out_of_time = failure and failure.kind == TIMED_OUT and left.after
        if out_of_memory or out_of_time:
            self._results.leave_video(left)
            return None
        self._results.finish_video(self.medium.index, left, record, self.medium.seen)
        return record

    def _tell(self, frame: Frame) -> None:
        """Say how far a long video is, when nothing was said for long."""
        if self._reading and time.monotonic() - self._said >= _SILENT_SECONDS:
            self._said = time.monotonic()
            of = f" of {self._reading.facts.frames}" if self._reading.facts.frames else ""
            LOG.info("%s: frame %d%s", self.medium.file, frame.index + 1, of)
