"""What a run leaves of one video, frame by frame, in segments that a kill does not cost again."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from itertools import chain

from entrypoint.log import LOG
from entrypoint.results.draw import DrawOptions, annotate
from entrypoint.results.encode import leave_image
from entrypoint.results.formats.base import AnnotatedFrame, Format, FrameFormat
from entrypoint.results.formats.frames import Frames
from entrypoint.results.formats.saved_frames import SavedFrames
from entrypoint.results.formats.thumbnails import Thumbnails
from entrypoint.results.formats.videos import Videos
from entrypoint.results.framerecords import FrameRecord, StoredDetections
from entrypoint.results.leaving import Leaving
from entrypoint.results.report.tiles import Tiles, strip
from entrypoint.results.runfolder import RunFolder, output_errors
from entrypoint.results.segments import FRAMES_A_SEGMENT, Segment, detections_path, pictures_path, tiles_path
from entrypoint.results.videoencoder import VideoEncoder
from entrypoint.results.videojoin import join
from entrypoint.results.videopiece import Piece
from entrypoint.settings import Settings
from entrypoint.sources.extent import Extent
from entrypoint.sources.look import Look
from entrypoint.sources.moving import PlacedFrame
from entrypoint.sources.position import Position
from entrypoint.values import Detections, Failure, Record
from entrypoint.videofacts import VideoFacts

_OF_SEGMENTS = (detections_path, pictures_path, tiles_path)
_COPY_BYTES = 1 << 18
_TIME_DECIMALS = 6


class VideoResults:
    """Takes the frames of a video in their order. One thread at a time may use it.

    Raises OutputError, ResultError where only this video's results are the trouble, and what says that memory is out.
    """

    def __init__(
        self,
        folder: RunFolder,
        leave: Leaving,
        settings: Settings,
        names: tuple[str, ...],
        formats: Sequence[Format],
        segments: Sequence[Segment],
        ended: Callable[[Segment], Segment],
    ) -> None:
        """`segments`: those that an earlier attempt has left. `ended` writes down that another one is whole, and gives
        it with the results that it left.
        """
        self._folder, self._leave, self._settings, self._names = folder, leave, settings, names
        self._formats = [kind for kind in formats if isinstance(kind, FrameFormat) and kind.of_videos]
        self._shows = any(isinstance(kind, Videos) for kind in formats)
        self._saves = any(isinstance(kind, SavedFrames) for kind in formats)
        self._tiles = any(isinstance(kind, Thumbnails) and kind.leaves(leave.file) for kind in formats)
        self._segments, self._ended = list(segments), ended
        self._open: _OpenSegment | None = None
        self._encoder: VideoEncoder | None = None

    @property
    def after(self) -> Position | None:
        """Where reading has to go on; None for the start."""
        return self._segments[-1].position if self._segments else None

    @property
    def kept(self) -> tuple[str, ...]:
        """The results of whole segments that stay when the video is done."""
        temporary = self._temporary()
        return tuple(path for segment in self._segments for path in segment.files if path not in temporary)

    def _temporary(self) -> set[str]:
        """The segments' own files, where there are such."""
        numbers = range(len(self._segments))
        return {self._leave.place(path(self._leave.file, one)) for path in _OF_SEGMENTS for one in numbers}

    def frame(self, frame: PlacedFrame, detections: Detections, look: Look) -> None:
        """The next frame and what was found in it; its image may be drawn on from now on."""
        height, width = frame.image.shape[:2]
        segment = self._open = self._open or _OpenSegment(
            len(self._segments), frame.pts, look, width, height, self._folder.scratch_path()
        )
        number = sum(whole.frames for whole in self._segments) + segment.frames + 1
        time = round(frame.time or 0.0, _TIME_DECIMALS)
        shown = AnnotatedFrame(self._leave.file, frame.image, detections, frame.index, time, number)
        for kind in self._formats:
            kind.write(shown, self._leave)
        if self._tiles:
            segment.tiles.add(shown.image)
        self._show(shown, frame.pts, segment)
        segment.add(FrameRecord(frame.index, time, detections.named(self._names)))
        if segment.frames == FRAMES_A_SEGMENT:
            self._end_segment(segment, frame.position)

    def finish(self, failure: Failure | None, facts: VideoFacts, sound: Extent) -> Record:
        """Write what there is of the whole video, and give its record. `sound`: where the source lies."""
        segment = self._open
        first = self._segments[0] if self._segments else segment
        if first is None:
            return Record.failed(self._leave.file, failure or Failure("no_frames", "without a frame to look at"))
        if self._encoder and segment:
            with self._errors():
                self._encoder.end()
        path = Frames.path(self._leave.file)
        self._leave(path, chain(self._stored_lines(), segment.lines if segment else ()))
        if self._shows:
            self._join(first.look, segment, sound)
        if self._tiles:
            self._leave(Thumbnails.path(self._leave.file), self._strip(segment, first.width, first.height))
        count = sum(whole.detections for whole in self._segments) + (segment.detections if segment else 0)
        place, opener = self._leave.place(path), self._folder.tree.open
        found = StoredDetections(place, count, first.width, first.height, opener)
        return Record(self._leave.file, first.width, first.height, found, failure, video=facts)

    def settle(self) -> None:
        """The record is written down: what only an unfinished video needs goes."""
        self._folder.remove(tuple(self._temporary()))

    def close(self) -> None:
        """Let go of what is under way."""
        if self._encoder:
            self._encoder.close()
            self._encoder = None
        if self._open:
            with suppress(FileNotFoundError):
                os.unlink(self._open.pictures)  # noqa: PTH108 - a path of the system's, as the folder gives it

    def _show(self, shown: AnnotatedFrame, pts: int, segment: "_OpenSegment") -> None:
        """Draw on the frame and write it where that is asked for."""
        is_saved = self._saves and len(shown.detections) and shown.number
        if not (self._shows or is_saved):
            return
        asked = self._settings
        options = DrawOptions(asked.line_thickness, asked.hide_labels, asked.hide_conf, asked.palette)
        canvas = annotate(shown.image, shown.detections, self._names, options)
        if is_saved:
            places = SavedFrames.paths(shown.file, is_saved)
            leave_image(canvas, places, self._settings.quality, self._leave)
        if self._shows:
            with self._errors():
                self._encoder = self._encoder or VideoEncoder(segment.look, segment.width, segment.height)
                if not segment.frames:
                    self._encoder.begin(segment.pictures)
                self._encoder.write(canvas, pts)

    def _end_segment(self, segment: "_OpenSegment", position: Position) -> None:
        file = self._leave.file
        if self._encoder:
            with self._errors():
                self._encoder.end()
                self._leave.adopt(segment.pictures, pictures_path(file, segment.number))
        self._leave(detections_path(file, segment.number), iter(segment.lines))
        if self._tiles:
            self._leave(tiles_path(file, segment.number), segment.tiles.picture())
        self._segments.append(self._ended(segment.whole(position)))
        self._open = None

    def _strip(self, segment: "_OpenSegment | None", width: int, height: int) -> bytes:
        """Small pictures of some frames of the whole video, side by side."""

        def picture(number: int) -> bytes:
            if segment and number == segment.number:
                return segment.tiles.picture()
            path = self._leave.place(tiles_path(self._leave.file, number))
            with os.fdopen(self._folder.tree.open(path), "rb") as file:
                return file.read()

        frames = [whole.frames for whole in self._segments] + ([segment.frames] if segment else [])
        return strip(frames, picture, width, height)

    def _stored_lines(self) -> Iterator[bytes]:
        for segment in self._segments:
            path = self._leave.place(detections_path(self._leave.file, segment.number))
            with os.fdopen(self._folder.tree.open(path), "rb") as file:
                while chunk := file.read(_COPY_BYTES):
                    yield chunk

    def _join(self, look: Look, segment: "_OpenSegment | None", sound: Extent) -> None:
        file, target = self._leave.file, self._folder.scratch_path()
        pieces = [
            Piece(str(self._folder.path / self._leave.place(pictures_path(file, one.number))), one.start)
            for one in self._segments
        ]
        pieces += [Piece(segment.pictures, segment.start)] if segment else []
        with self._errors():
            if said := join(target, pieces, look, sound):
                LOG.warning("%s: %s", file, said)
            self._leave.adopt(target, Videos.path(file))

    def _errors(self) -> AbstractContextManager[None]:
        return output_errors(self._folder.path / self._leave.file)


class _OpenSegment:
    """One to which frames are added. `pictures`: the file in the scratch folder that their pictures go to."""

    def __init__(self, number: int, start: int, look: Look, width: int, height: int, pictures: str) -> None:
        self.number, self.start, self.look = number, start, look
        self.width, self.height, self.pictures = width, height, pictures
        self.lines: list[bytes] = []
        self.tiles = Tiles()
        self.detections = 0

    @property
    def frames(self) -> int:
        return len(self.lines)

    def add(self, frame: FrameRecord) -> None:
        """One more frame."""
        self.lines.append(frame.to_line())
        self.detections += len(frame.detections)

    def whole(self, position: Position) -> Segment:
        """What is to be remembered of it; `position`: behind its last frame."""
        size = self.width, self.height
        return Segment(self.number, self.start, position, *size, self.look, self.frames, self.detections)
