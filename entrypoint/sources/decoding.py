"""Every frame that a damaged video still gives, and how much of it is damaged or missing."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

import av
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame

from entrypoint.sources.container import OpenVideo
from entrypoint.values import Failure

_MOST_ERRORS_IN_A_ROW = 200
_MOST_REORDERED = 32  # frames that a decoder holds back at most
# What a file may lack at its end by its own account, and still pass for whole.
_SPARE_SECONDS, _SPARE_FRAMES, _SPARE_SHARE = 0.2, 4, 0.005
# Formats whose account of their duration is made when they are written, and says when the last stream ends.
_TELL_DURATION = frozenset(("matroska", "flv", "asf"))


def clock_restarts(video: OpenVideo, seconds: float) -> bool:
    """Return whether the clock of the pictures goes back by more than so many seconds anywhere in a video.

    All packets are read for that, and none is decoded. Damage counts as a restart.
    """
    last = None
    try:
        for packet in video.container.demux(video.stream):
            if packet.dts is not None:
                if last is not None and (last - packet.dts) * float(packet.time_base) > seconds:
                    return True
                last = packet.dts
    except MemoryError:
        raise
    except av.FFmpegError:
        return True
    return False


class Decoding:
    """Goes through a video once, from where it stands."""

    def __init__(self, video: OpenVideo) -> None:
        self._video = video
        self._unreadable = self._undecodable = self._incomplete = 0
        self._cut = self._begun = False  # whether the last packet was an incomplete one; whether a key frame has come
        self._end = 0.0  # of the last packet of any stream, in seconds
        self._waiting: list[int] = []

    @property
    def errors(self) -> int:
        """What was found damaged so far: packets and frames."""
        return self._unreadable + self._undecodable + self._incomplete

    @property
    def seconds(self) -> float | None:
        """From the video's start to the end of the last packet of any stream; None before there was one."""
        return round(max(0.0, self._end - self._video.start), 6) or None

    def frames(self) -> Iterator[VideoFrame]:
        """The frames in the order in which they are shown. Raises MemoryError."""
        for packet in self._packets():
            yield from self._decoded(packet)
        yield from self._decoded(None)

    def failure(self, frames: int) -> Failure | None:
        """What was missing or damaged, now that all has been gone through and `frames` is how many there were."""
        if missing := self._missing(frames):
            return Failure("truncated", missing)
        if self.errors:
            faults = (
                ("parts that cannot be read", self._unreadable),
                ("packets that cannot be decoded", self._undecodable),
                ("incomplete frames", self._incomplete),
            )
            said = ", ".join(f"{what}: {count}" for what, count in faults if count)
            return Failure("damaged", f"{said}; frames that were read: {frames}")
        if not frames:
            return Failure("no_frames", f"{self._video.kind}, whose stream of pictures holds none")
        return None

    def _packets(self) -> Iterator[Packet[Stream]]:
        packets, errors = self._video.container.demux(), 0
        while errors < _MOST_ERRORS_IN_A_ROW:
            try:
                packet = next(packets, None)
            except MemoryError:
                raise
            except av.FFmpegError:
                self._unreadable, errors = self._unreadable + 1, errors + 1
                packets = self._video.container.demux()
                continue
            if packet is None:
                return
            if packet.size:  # not one of those that stand for the end of a stream
                errors = 0
                self._note(packet)
                if packet.stream_index == self._video.stream.index:
                    yield packet

    def _note(self, packet: Packet[Stream]) -> None:
        stamp = packet.pts if packet.pts is not None else packet.dts
        if stamp is not None and packet.stream.type in ("video", "audio"):
            self._end = max(self._end, float((stamp + (packet.duration or 0)) * packet.time_base))
        self._cut = packet.is_corrupt
        if packet.stream_index == self._video.stream.index:
            self._begun = self._begun or packet.is_keyframe

    def _decoded(self, packet: Packet[Stream] | None) -> Iterator[VideoFrame]:
        if packet is not None and packet.pts is not None and self._video.format == "avi":
            heapq.heappush(self._waiting, packet.pts)
        try:
            frames = self._video.stream.codec_context.decode(packet)
        except MemoryError:
            raise
        except av.FFmpegError:
            self._raise_if_memory_is_short()
            # A recording may begin anywhere; what comes before its first key frame cannot be decoded.
            self._undecodable += self._begun
            return
        for frame in frames:
            self._incomplete += frame.is_corrupt
            if self._waiting:
                # AVI numbers packets in the order in which they are stored; frames may be shown in another.
                frame.pts = heapq.heappop(self._waiting)
                while len(self._waiting) > _MOST_REORDERED:
                    heapq.heappop(self._waiting)
            yield frame

    def _raise_if_memory_is_short(self) -> None:
        """Decoders call data invalid for which they have no memory: a frame must fit, as stored and as BGR."""
        codec = self._video.stream.codec_context
        bytearray(codec.width * codec.height * 6)

    def _missing(self, frames: int) -> str | None:
        """What the video lacks at its end, where that can be told."""
        video = self._video
        if missing := video.missing or self._beyond_the_end():
            return f"it lacks its last {missing} bytes or more"
        if video.format in _TELL_DURATION and video.container.duration:
            declared = video.container.duration / av.time_base
            spare = max(_SPARE_SECONDS, _SPARE_FRAMES / (video.fps or 25), declared * _SPARE_SHARE)
            if self._end < declared - spare:
                return f"it ends after {self._end:.2f} of {declared:.2f} seconds"
        if video.format == "avi" and video.frames:
            spare = max(_SPARE_FRAMES, video.frames * _SPARE_SHARE)
            if frames < video.frames - spare and not self.errors:
                return f"it has {frames} of {video.frames} frames"
        return "its last packet is incomplete" if self._cut else None

    def _beyond_the_end(self) -> int:
        """By how many bytes the last frame that an MP4's index tells of reaches beyond the end of the file."""
        entries = self._video.stream.index_entries
        if self._video.format != "mov" or not len(entries):
            return 0
        last = entries[len(entries) - 1]
        return max(0, last.pos + last.size - self._video.size)
