"""Pixels to image files."""

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from entrypoint.host import memory
from entrypoint.results.formats.base import Leave
from entrypoint.sources.filetype import HEAD_BYTES, identify_head
from entrypoint.values import Failure, ResultError

_JPEG = {".jpg", ".jpeg", ".jpe"}
# What an encoder may hold beside the image: its output, which grows by copies, and is larger than noise itself.
_TIMES_AN_IMAGE = 4
_ENDS_THE_PROCESS = {".tif", ".tiff"}  # OpenCV does, with these, when memory is out in mid-way


def leave_image(image: NDArray[np.uint8], places: Iterable[tuple[str, str]], quality: int, leave: Leave) -> None:
    """Leave `image` (HWC uint8 BGR) at the first of the `places`, paths with suffixes, whose format takes it.

    Raises ResultError when none does, what says that memory is out, and what `leave` raises.
    """
    for path, suffix in places:
        encoded = encode_image(suffix, image, quality)
        if encoded:
            leave(path, encoded)
            return
    height, width = image.shape[:2]
    where = path.partition("/")[0]
    raise ResultError(Failure("not_written", f"no format takes an image of {width} × {height}, for {where}"))


def encode_image(suffix: str, image: NDArray[np.uint8], quality: int) -> memoryview | None:
    """`image` (HWC uint8 BGR) as a file's bytes, a JPEG in that `quality`, from 1 to 100.

    None where OpenCV does not write the format, or not an image of this size. Raises what says that memory is out.
    """
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if suffix in _JPEG else []
    if suffix in _ENDS_THE_PROCESS:
        np.empty(image.nbytes * _TIMES_AN_IMAGE, np.uint8)
    for _ in range(2):
        try:
            done, encoded = cv2.imencode(suffix, image, options)
        except cv2.error as error:
            if memory.is_out_of_memory(error):
                raise
            return None
        if done:
            return encoded.data if identify_head(encoded[:HEAD_BYTES].tobytes()).family == "image" else None
        # OpenCV says the same of a format that does not take the image and of memory that is out: another thread may
        # have held it a moment ago, so a second try tells.
        np.empty(image.nbytes * _TIMES_AN_IMAGE, np.uint8)
    return None
