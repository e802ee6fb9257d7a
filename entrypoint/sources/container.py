"""A video file opened with care: of known formats only, that refer to no other file, and with frames of a sane size."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from entrypoint.host.shortage import raise_if_out_of_files
from entrypoint.sources.ending import missing_bytes
from entrypoint.sources.extent import Extent
from entrypoint.sources.filetype import HEAD_BYTES, identify_head
from entrypoint.values import Failure

# By FFmpeg's names. What may name other files or addresses is not among them: concat, dash, hls, image2, sdp, …
_FORMATS = (
    "3gp,asf,av1,avi,dv,flv,gxf,h264,hevc,ivf,m4v,matroska,mov,mp4,mpeg,mpegts,mpegvideo,mxf,nut,obu,ogg,rm,vc1,webm,"
    "wtv,yuv4mpegpipe"
)
_PROTOCOLS = "file,subfile"
# The largest frame of H.264's, HEVC's and AV1's highest levels.
MOST_PIXELS = 8192 * 4352
_OPTIONS = {"max_pixels": str(MOST_PIXELS)}
_CONTAINER_OPTIONS = {"format_whitelist": _FORMATS, "protocol_whitelist": _PROTOCOLS}


_MOST_FRAMES, _MOST_FPS, _MOST_SECONDS = 1 << 31, 10_000, 1e8


@dataclass(frozen=True, slots=True)
class OpenVideo:
    """`kind`: a noun phrase for a message. `size`, and `missing` at its end where the file tells, in bytes."""

    container: InputContainer
    stream: VideoStream
    kind: str
    size: int
    missing: int

    @property
    def format(self) -> str:
        """FFmpeg's first name for the format: avi, flv, matroska, mov, mpeg, mpegts, …"""
        return self.container.format.name.partition(",")[0]

    @property
    def fps(self) -> float | None:
        """Frames a second, on the average as far as the file tells; None where it does not."""
        rate = self.stream.average_rate or self.stream.guessed_rate or self.stream.base_rate
        return float(rate) if rate and 0 < rate <= _MOST_FPS else None

    @property
    def frames(self) -> int | None:
        """How many frames it has by its own account; None where it does not tell."""
        return self.stream.frames if 0 < self.stream.frames <= _MOST_FRAMES else None

    @property
    def duration(self) -> float | None:
        """Seconds by its own account; None where it does not tell, or only by a guess."""
        if self.format in ("mpeg", "mpegvideo", "h264", "hevc", "m4v"):
            return None
        if self.stream.duration and self.stream.time_base:
            seconds = float(self.stream.duration * self.stream.time_base)
        else:
            seconds = (self.container.duration or 0) / av.time_base
        return round(seconds, 6) if 0 < seconds < _MOST_SECONDS else None

    @property
    def start(self) -> float:
        """The time of the first frame in seconds, by its own account; 0 where it does not tell."""
        return float((self.stream.start_time or 0) * (self.stream.time_base or 0))

    @property
    def origin(self) -> float:
        """Seconds at which a broadcast's clock stood at the start; 0 where times begin where they are meant to."""
        return (self.container.start_time or 0) / av.time_base if self.format in ("mpeg", "mpegts") else 0.0


@contextmanager
def open_video(extent: Extent) -> Iterator[OpenVideo | Failure]:
    """Open the video at that place for the time of the block; give a failure if there is none. Raise MemoryError."""
    descriptor = extent.file.descriptor
    size = os.fstat(descriptor).st_size - extent.start if extent.size is None else extent.size
    kind = identify_head(os.pread(descriptor, min(HEAD_BYTES, max(0, size)), extent.start))
    if failure := _no_video(kind.family, kind.name):
        yield failure
        return
    name = kind.name if kind.family == "video" else "video"
    missing = missing_bytes(descriptor, extent.start, size)
    try:
        container = _open(descriptor, extent, size)
    except MemoryError:
        raise
    except (av.FFmpegError, OSError, ValueError) as error:
        raise_if_out_of_files(error)
        yield _unopened(name, error, missing)
        return
    with container:
        yield _checked(container, name, size, missing)


def _no_video(family: str, name: str) -> Failure | None:
    if family == "empty":
        return Failure("empty", "0 bytes")
    if family not in ("video", "unknown"):
        return Failure("not_a_video", f"its content is {name}")
    return None


def _open(descriptor: int, extent: Extent, size: int) -> InputContainer:
    # By the descriptor: whatever the name holds, and if the file is renamed meanwhile.
    place = f"file:/proc/self/fd/{descriptor}"
    if extent.start or extent.size is not None:
        place = f"subfile,,start,{extent.start},end,{extent.start + size},,:{place}"
    return av.open(place, "r", options=_OPTIONS, container_options=_CONTAINER_OPTIONS, metadata_errors="replace")


def _checked(container: InputContainer, kind: str, size: int, missing: int) -> OpenVideo | Failure:
    streams = [
        stream for stream in container.streams.video if not Disposition(stream.disposition) & Disposition.attached_pic
    ]
    if not streams:
        if missing:
            return _cut(kind, missing)
        return Failure("not_a_video", f"{kind}, without a stream of pictures")
    stream = streams[0]
    codec: VideoCodecContext | None = stream.codec_context
    if codec is None:
        return Failure("unsupported", f"{kind}, of a codec that is not known")
    if codec.width * codec.height > MOST_PIXELS:
        return Failure(
            "too_large", f"frames of {codec.width} × {codec.height} pixels, more than the {MOST_PIXELS} decoded"
        )
    codec.thread_count = 1  # frames of several videos and stills are what runs side by side
    return OpenVideo(container, stream, kind, size, missing)


def _unopened(kind: str, error: Exception, missing: int) -> Failure:
    if missing:
        return _cut(kind, missing)
    words = " ".join(str(getattr(error, "strerror", None) or error).split())[:120]
    return Failure("not_a_video" if kind == "video" else "damaged", f"{kind}, cannot be opened: {words}")


def _cut(kind: str, missing: int) -> Failure:
    return Failure("truncated", f"{kind}, lacks its last {missing} bytes or more, and with them what tells of the rest")
