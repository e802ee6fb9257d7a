"""Videos made for tests: the demo's shapes on known paths, and each frame's number in black and white squares."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from entrypoint.sources.extent import Extent, InputFile, opened

os.environ["SVT_LOG"] = "1"  # SVT-AV1 prints what it does, unless it is told to print errors alone
_BITS, _SQUARE = 10, 16
_RED, _GREEN, _BLUE = (40, 40, 210), (60, 190, 60), (210, 70, 40)


def numbered(number: int, width: int = 192, height: int = 128) -> NDArray[np.uint8]:
    """A grey frame (HWC uint8 BGR) that carries its number in its upper left corner."""
    image = np.full((height, width, 3), 128, np.uint8)
    for bit in range(_BITS):
        x, y = bit % 5 * _SQUARE, bit // 5 * _SQUARE
        image[y : y + _SQUARE, x : x + _SQUARE] = 235 if number >> bit & 1 else 20
    return image


def number_of(image: NDArray[np.uint8]) -> int:
    """The number that a frame of `numbered` carries, after whatever compression."""
    centres = range(_SQUARE // 2, 5 * _SQUARE, _SQUARE)
    squares = [image[y, x].mean() > 128 for y in (_SQUARE // 2, _SQUARE + _SQUARE // 2) for x in centres]
    return sum(1 << bit for bit, white in enumerate(squares) if white)


def shapes(number: int, width: int = 320, height: int = 256) -> tuple[NDArray[np.uint8], dict[int, tuple[float, ...]]]:
    """A frame with a circle, a square and a triangle on their ways, and the box (xyxy, pixels) of each by class."""
    image = np.empty((height, width, 3), np.uint8)
    image[:] = np.linspace(150, 200, width).astype(np.uint8)[None, :, None]
    phase = number / 30
    circle = (width * (0.26 + 0.07 * np.sin(2 * np.pi * phase)), height * (0.3 + 0.05 * np.cos(2 * np.pi * phase)))
    square = (width * (0.5 + 0.08 * phase % 0.3), height * 0.7)
    triangle = (width * (0.82 - 0.05 * phase % 0.2), height * 0.35)
    boxes = {}
    for class_id, (x, y), corners, turn, colour in (
        (0, circle, 64, 0.0, _RED),
        (1, square, 4, 0.3, _GREEN),
        (2, triangle, 3, 0.8, _BLUE),
    ):
        angles = turn + np.arange(corners) * 2 * np.pi / corners
        points = np.stack((np.cos(angles), np.sin(angles)), 1) * width / 10 + (x, y)
        cv2.fillPoly(image, [np.round(points * 16).astype(np.int32)], colour, cv2.LINE_AA, 4)
        boxes[class_id] = (*points.min(0).tolist(), *points.max(0).tolist())
    return image, boxes


@dataclass(frozen=True)
class Recipe:
    """How a video is to be made. `times`: a presentation time a frame, in units of `time_base`; None for 1/rate each.

    `turned`: degrees counterclockwise that a player is told to turn frames by.
    """

    codec: str = "libx264"
    options: dict[str, str] = field(default_factory=dict)
    pixels: str = "yuv420p"
    rate: int | Fraction = 25
    times: Sequence[int] | None = None
    time_base: Fraction | None = None
    turned: int = 0
    audio: str | None = None
    container: dict[str, str] = field(default_factory=dict)
    gop: int = 12


@contextmanager
def _own_scheduling() -> Iterator[None]:
    """SVT-AV1 gives its caller real-time scheduling, if that is root; a control group of CPU refuses such a process."""
    before = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, *before)


def make_video(path: Path, frames: Sequence[NDArray[np.uint8]], recipe: Recipe | None = None) -> Path:
    """Encode frames (HWC uint8 BGR, all of one size) at `path`, whose suffix chooses the container."""
    how = recipe or Recipe()
    with _own_scheduling(), av.open(str(path), "w", options=how.container) as container:
        stream = container.add_stream(how.codec, rate=how.rate, options=how.options)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt, stream.gop_size = how.pixels, how.gop
        stream.codec_context.thread_count = 1
        if how.time_base:
            stream.codec_context.time_base = how.time_base
        if how.turned:
            stream.set_display_rotation(how.turned)
        sound = container.add_stream(how.audio, rate=48000) if how.audio else None
        if isinstance(sound, av.AudioStream):
            sound.codec_context.layout, sound.codec_context.bit_rate = "stereo", 64000
        for number, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="bgr24")
            frame.time_base = how.time_base or 1 / Fraction(how.rate)
            frame.pts = how.times[number] if how.times else number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if sound is not None:
            assert isinstance(sound, av.AudioStream)
            for wave in _waves(sound, float(len(frames) / how.rate)):
                container.mux(sound.encode(wave))
            container.mux(sound.encode())
    return path


@contextmanager
def extent_of(path: str | Path, start: int = 0, size: int | None = None) -> Iterator[Extent]:
    """Hold a file open as a source of frames."""
    with opened(str(path)) as file:
        assert isinstance(file, InputFile), file
        yield Extent(file, start, size)


def moving(path: Path, count: int, recipe: Recipe | None = None, first: int = 0) -> Path:
    """A video of the moving shapes at `path`: so many frames, from that number on."""
    return make_video(path, [shapes(number)[0] for number in range(first, first + count)], recipe)


def _waves(stream: av.AudioStream, seconds: float) -> Iterator[av.AudioFrame]:
    """A tone in as many frames as the stream's codec wants."""
    size, layout = stream.codec_context.frame_size or 1024, "stereo"
    for number in range(int(seconds * 48000 / size)):
        at = np.arange(number * size, (number + 1) * size) / 48000
        tone = (np.sin(at * 2 * np.pi * 440) * 0.2).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(np.stack([tone, tone]), format="fltp", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = 48000, number * size, Fraction(1, 48000)
        yield frame
