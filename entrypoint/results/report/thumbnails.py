"""Small pictures of the inputs, made while an image is in memory anyway."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 160
"""The longer side of a picture, in pixels."""
STRIP = 8
"""Frames of a video that stand side by side in its picture."""
SHEET = 48
"""Inputs on the contact sheet."""

# A JPEG like this is as small as a WebP that looks alike, and takes a fifteenth of the time.
_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 60, cv2.IMWRITE_JPEG_OPTIMIZE, 1]


def sheet_places(count: int) -> range:
    """The indices of the inputs on the contact sheet of so many, evenly spread; the gallery has them all."""
    return range(0, count, 1 << max(0, math.ceil(math.log2(count / SHEET))))


def shrunk(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """`image` (HWC uint8 BGR) with its longer side at most SIDE pixels long; one that is smaller stays as it is."""
    height, width = image.shape[:2]
    scale = SIDE / max(height, width)
    if scale >= 1:
        return image
    across, down = max(1, round(width * scale)), max(1, round(height * scale))
    if scale < 0.5:  # first to twice the size, by leaving pixels out: that takes a fifth of the time
        image = np.asarray(cv2.resize(image, (2 * across, 2 * down), interpolation=cv2.INTER_NEAREST), np.uint8)
    return np.asarray(cv2.resize(image, (across, down), interpolation=cv2.INTER_AREA), np.uint8)


def encoded(picture: NDArray[np.uint8]) -> bytes:
    """The picture as the bytes of a JPEG."""
    return cv2.imencode(".jpg", picture, _JPEG)[1].tobytes()


class Strip:
    """Frames of a video, evenly spread over what has been seen so far, however long it turns out to be."""

    def __init__(self) -> None:
        self._frames: list[NDArray[np.uint8]] = []
        self._seen, self._every = 0, 1

    def add(self, image: NDArray[np.uint8]) -> None:
        """Take the next frame (HWC uint8 BGR); most are only counted."""
        if self._seen % self._every == 0:
            self._frames.append(shrunk(image).copy())
            if len(self._frames) == 2 * STRIP:
                self._frames, self._every = self._frames[::2], self._every * 2
        self._seen += 1

    def picture(self) -> NDArray[np.uint8] | None:
        """At most STRIP of the frames side by side (HWC uint8 BGR); None where there was none."""
        if not self._frames:
            return None
        places = np.linspace(0, len(self._frames) - 1, min(STRIP, len(self._frames))).round().astype(int)
        frames = [self._frames[place] for place in places]
        size = (frames[0].shape[1], frames[0].shape[0])  # a video may change its size: the strip cannot
        return np.hstack([frame if frame.shape == frames[0].shape else _fitted(frame, size) for frame in frames])


def _fitted(frame: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)
