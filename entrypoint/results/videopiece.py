"""A piece of an annotated video: H.264 in MP4, which browsers play, at the times that the source's frames have."""

from dataclasses import dataclass
from fractions import Fraction
from types import TracebackType
from typing import Self

import av
import cv2
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from entrypoint.sources.video import Look

_ENCODING = {"preset": "ultrafast", "crf": "23"}
_MOST_FRAMES_A_GROUP = 300


@dataclass(frozen=True, slots=True)
class Piece:
    """A file with part of a video; `start`: the time of its first frame, in units of the source's."""

    path: str
    start: int


class PieceWriter:
    """Encodes a piece into the file at `path`. Raises OSError, and MemoryError. One thread at a time may use it."""

    def __init__(self, path: str, look: Look, width: int, height: int, threads: int = 1) -> None:
        """`width`, `height`: of the frames, in pixels."""
        self._container = av.open(f"file:{path}", "w", format="mp4", options={"movflags": "hybrid_fragmented"})
        self._look, self._start, self._last = look, 0, -1
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
        if self._last < 0:
            self._start = pts
        frame = VideoFrame.from_ndarray(_planes(image), format="yuv420p")
        frame.pts = self._last = pts - self._start
        frame.time_base = self._look.time_base
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """End the file."""
        self._container.mux(self._stream.encode())
        self._container.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self._container.close()


def _planes(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """BGR to YUV 4:2:0 as one plane above the others; a side of odd length gets its last line twice."""
    height, width = image.shape[:2]
    if height % 2 or width % 2:
        image = cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)  # type: ignore[assignment]
    return cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420)  # type: ignore[return-value]
