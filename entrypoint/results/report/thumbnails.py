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
