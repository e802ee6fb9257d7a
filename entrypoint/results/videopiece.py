"""A piece of an annotated video: H.264 in MP4, which browsers play, at the times that the source's frames have."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction

import av
import cv2
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from entrypoint.sources.look import Look
from entrypoint.values import Failure, ResultError

# A constant quantizer needs no look at what is to come: files and their quality are as with CRF 23, in 2/3 of the time.
_ENCODING = {"preset": "ultrafast", "qp": "24", "x264-params": "no-dct-decimate=1"}
_MOST_FRAMES_A_GROUP = 300


@dataclass(frozen=True, slots=True)
class Piece:
    """A file with part of a video; `start`: the time of its first frame, in units of the source's."""

    path: str
    start: int


class PieceWriter:
    """Encodes a piece into the file at `path`. One thread at a time may use it.

    Raises OSError, MemoryError, and ResultError where H.264 does not take such frames.
    """

    def __init__(self, path: str, look: Look, width: int, height: int, threads: int = 1) -> None:
        """`width`, `height`: of the frames, in pixels."""
        self._look, self._size = look, (width, height)
        self._start: int | None = None
        self._container = av.open(f"file:{path}", "w", format="mp4", options={"movflags": "hybrid_fragmented"})
        stream = self._container.add_stream("libx264", options=_ENCODING)
        stream.width, stream.height = width + width % 2, height + height % 2
        stream.pix_fmt, stream.sample_aspect_ratio = "yuv420p", look.aspect
        codec = stream.codec_context
        codec.time_base = look.time_base
        codec.framerate = Fraction(look.fps).limit_denominator(1001)
        codec.gop_size = min(max(1, round(look.fps)), _MOST_FRAMES_A_GROUP)
        codec.thread_count = threads
        codec.colorspace, codec.color_primaries, codec.color_trc = look.colours
        self._stream = stream

    def write(self, image: NDArray[np.uint8], pts: int) -> None:
        """The next frame (HWC uint8 BGR), to be shown at `pts`, which is later than the one before."""
        if self._start is None:
            self._start = pts
        frame = VideoFrame.from_numpy_buffer(_planes(image), "yuv420p")
        frame.pts, frame.time_base = pts - self._start, self._look.time_base
        with self._errors():
            self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """End the file."""
        with self._errors():
            self._container.mux(self._stream.encode())
            self._container.close()

    def discard(self) -> None:
        """Let go of the file as it is."""
        with suppress(av.FFmpegError, OSError):
            self._container.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (OSError, MemoryError):
            raise
        except av.FFmpegError as error:
            width, height = self._size
            bytearray(width * height * 8)  # the encoder does not say that it lacks memory: this does
            words = f"no H.264 video of {width} × {height} pixels can be made: {error.strerror}"
            raise ResultError(Failure("not_written", words)) from error


def _planes(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """BGR to YUV 4:2:0 as one plane above the others; a side of odd length gets its last line twice."""
    height, width = image.shape[:2]
    if height % 2 or width % 2:
        image = cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)  # type: ignore[assignment]
    return cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420)  # type: ignore[return-value]
