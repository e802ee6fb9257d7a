"""Frames of a video, upright and at their own times, and what is known of the video in the end."""

import struct
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
import cv2
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from entrypoint.sources.container import OpenVideo, open_video
from entrypoint.sources.decoding import Decoding, clock_restarts
from entrypoint.sources.extent import Extent
from entrypoint.sources.look import Look
from entrypoint.sources.moving import PlacedFrame
from entrypoint.sources.position import Position
from entrypoint.values import OUT_OF_MEMORY, Failure
from entrypoint.videofacts import VideoFacts

# From how far before a place it is looked for, in seconds: some formats seek to a later one. Then from the start.
_SEEKS = (0.0, 10.0)
_TURNS = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}
_FPS_OF_UNKNOWN = 25
_MILLISECOND = Fraction(1, 1000)
# By so much a time may lie before that of the frame before it; by more, the clock has started again.
_FRAMES_BACK, _SECONDS_BACK = 3, 0.1
# Formats in which a place is sought by its time: FFmpeg takes any place whose time is that, also behind a restart.
_SOUGHT_BY_TIME = frozenset(("mpeg", "mpegts"))


class VideoReading:
    """Reads a video once: iterate it. What it gives is what `Medium.frames` promises.

    With `stride` k come the frames k-1, 2k-1, …; with `after`, those of them that follow that place. With
    `accept_damaged` it is no failure that some of the video is damaged or missing, if there are frames.
    """

    def __init__(
        self, extent: Extent, *, stride: int = 1, after: Position | None = None, accept_damaged: bool = False
    ) -> None:
        self._extent, self._stride, self._behind, self._accept_damaged = extent, stride, after, accept_damaged
        self.accepted: Failure | None = None
        """What is missing or damaged, where that was to be accepted; known in the end."""
        self.facts = VideoFacts(None, None, 0, None)
        """What is known of the video: `frames_read` counts on, and the end may correct the rest."""
        self.look: Look | None = None
        """Known when the first frame has come."""
        self._until = 0.0  # when the last frame that was decoded ends, in seconds

    def __iter__(self) -> Iterator[PlacedFrame | Failure]:
        try:
            yield from self._read()
        except MemoryError:
            yield Failure(OUT_OF_MEMORY, "no memory left to decode it")
        except (av.FFmpegError, OSError) as error:
            yield Failure("unreadable", f"cannot be read: {error.strerror}")

    def _read(self) -> Iterator[PlacedFrame | Failure]:
        seeks = list(_SEEKS) if self._can_seek() else []
        while True:
            seek = seeks.pop(0) if seeks else None
            with open_video(self._extent) as video:
                if isinstance(video, Failure):
                    yield video
                    return
                decoding = Decoding(video)
                frames = decoding.frames()
                if seek is not None and not _sought(video, frames, self._behind, seek):
                    continue
                yield from self._pass(video, decoding, frames, sought=seek is not None)
                if seek is None or not decoding.failure(self._count):
                    yield from self._end(video, decoding)
                    return
                # What a decoder makes of damaged parts depends on all that came before them.
                seeks.clear()

    def _can_seek(self) -> bool:
        """Return whether the place behind which reading goes on is the only one of its time."""
        if self._behind is None or self._behind.pts is None:
            return False
        with open_video(self._extent) as video:
            return not (
                isinstance(video, OpenVideo)
                and video.format in _SOUGHT_BY_TIME
                and clock_restarts(video, _most_back(video))
            )

    def _pass(
        self, video: OpenVideo, decoding: Decoding, frames: Iterator[VideoFrame], *, sought: bool
    ) -> Iterator[PlacedFrame]:
        """The frames behind the place where reading stands; after a seek, up to the first damage."""
        done, mirrored = self._count, dict[int, bool]()
        for time, pts, frame, position in _placed(video, decoding, frames, self._behind if sought else None):
            if sought and decoding.errors:
                return
            self._until = time + 1 / (video.fps or _FPS_OF_UNKNOWN)
            if position.index < done:
                continue
            self._behind, self.look = position, self.look or _look(video, frame)
            self.facts = VideoFacts(video.fps, video.frames, position.index + 1, video.duration)
            if (position.index + 1) % self._stride == 0:
                turn = frame.rotation  # asked for once an angle: a frame whose matrix is looked at is freed late
                if turn not in mirrored:
                    mirrored[turn] = _is_mirrored(frame)
                image = _upright(frame, position.width, position.height, mirrored[turn])
                yield PlacedFrame(position.index, time, image, pts, position)

    @property
    def _count(self) -> int:
        return self._behind.index + 1 if self._behind else 0

    def _end(self, video: OpenVideo, decoding: Decoding) -> Iterator[Failure]:
        count = self._count
        failure = decoding.failure(count)
        duration = video.duration or (None if failure else decoding.seconds)
        seen = self._until - video.start
        if duration and seen > duration + _most_back(video):
            duration = round(seen, 6)  # its own account is of one part, and the clock has started again behind that
        self.facts = VideoFacts(video.fps, video.frames if failure else count, count, duration)
        if failure and count and self._accept_damaged:
            self.accepted = failure
        elif failure:
            yield failure


def _placed(
    video: OpenVideo, decoding: Decoding, frames: Iterator[VideoFrame], behind: Position | None
) -> Iterator[tuple[float, int, VideoFrame, Position]]:
    """Give each frame with its time in seconds, the same in the stream's units so that they count up, and its position.

    Where the clock starts again, as in recordings that were joined, the time goes on behind the frame before.
    """
    unit, step = float(video.stream.time_base or _MILLISECOND), 1 / (video.fps or _FPS_OF_UNKNOWN)
    last, pts = (behind.index, behind.pts) if behind else (-1, None)
    size = (behind.width, behind.height) if behind else None
    in_order, time, shift = video.format != "avi", video.start - step, 0.0
    for index, frame in enumerate(frames, last + 1):
        size = size or ((frame.height, frame.width) if frame.rotation % 180 else (frame.width, frame.height))
        in_order = in_order and frame.pts is not None and (pts is None or frame.pts > pts)
        following = time + step
        time = following if frame.pts is None else frame.pts * unit + shift
        if time < following - step - _most_back(video):
            shift += following - time
            time = following
        own = round(time / unit)
        pts = own if pts is None else max(pts + 1, own)
        yield time, pts, frame, Position(index, pts if in_order and not decoding.errors else None, *size)


def _most_back(video: OpenVideo) -> float:
    return max(_FRAMES_BACK / (video.fps or _FPS_OF_UNKNOWN), _SECONDS_BACK)


def _look(video: OpenVideo, frame: VideoFrame) -> Look:
    codec = video.stream.codec_context
    aspect = codec.sample_aspect_ratio or Fraction(1)
    return Look(
        video.stream.time_base or _MILLISECOND,
        video.fps or _FPS_OF_UNKNOWN,
        1 / aspect if frame.rotation % 180 else aspect,
        (codec.colorspace, codec.color_primaries, codec.color_trc),
        video.origin,
    )


def _sought(video: OpenVideo, frames: Iterator[VideoFrame], behind: Position | None, seconds: float) -> bool:
    """Seek to so many seconds before a place and decode up to it; whether that is surely where it is now.

    A frame counts from the first key frame on only: what comes before that may refer to what was not decoded.
    """
    if behind is None or behind.pts is None:
        return False
    with_key = False
    try:
        back = round(seconds / float(video.stream.time_base or _MILLISECOND))
        video.container.seek(behind.pts - back, stream=video.stream)
    except (av.FFmpegError, OverflowError):
        return False
    for frame in frames:
        with_key = with_key or frame.key_frame
        if frame.pts is None or frame.pts > behind.pts:
            return False
        if frame.pts == behind.pts:
            return with_key
    return False


def _is_mirrored(frame: VideoFrame) -> bool:
    """Whether a player is to show it upside down, as in a mirror, before it turns it by its angle.

    The matrix that says so is the one of the angle, and its determinant is then negative.
    """
    found: Any = frame.side_data  # PyAV's own types take it for a dict of text
    for data in found:
        if data.type.name == "DISPLAYMATRIX":
            a, b, _, c, d, *_ = struct.unpack("=9i", bytes(data))
            return bool(a * d < b * c)
    return False


def _upright(frame: VideoFrame, width: int, height: int, is_mirrored: bool) -> NDArray[np.uint8]:
    """HWC uint8 BGR, as OpenCV's reader makes it, of the size that the first is of once it is upright."""
    turn = _TURNS.get(frame.rotation % 360)
    if frame.rotation % 180 and turn is not None:
        width, height = height, width  # what it is to have before it is turned
    scaled = frame.reformat(width, height, "bgr24", interpolation="BICUBIC", threads=1)
    if scaled is frame:  # a decoder may refer to it later, and what comes from here may be drawn on
        image = frame.to_ndarray()
    else:
        rows = np.frombuffer(scaled.planes[0], np.uint8).reshape(height, -1)  # type: ignore[call-overload]
        image = rows[:, : width * 3].reshape(height, width, 3)  # no copy, unless rows are padded
    if is_mirrored:
        image = cv2.flip(image, 0)  # type: ignore[assignment]
    return image if turn is None else cv2.rotate(image, turn)  # type: ignore[return-value]
