"""Photographs in HEIF's container, as phones take them: what OpenCV does not read."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from entrypoint.host import memory
from entrypoint.values import OUT_OF_MEMORY, Failure

_MOST_PIXELS = 1 << 30  # as many as OpenCV decodes
_CUT = ("unexpected end of file", "insufficient input data", "outside of file bounds", "full meta box")


def decode_heif(data: bytes, kind: str) -> NDArray[np.uint8] | Failure:
    """The main image in `data`, HWC uint8 BGR in [0, 255], turned and mirrored as the file says; alpha is dropped.

    `kind` is a noun phrase for a message.
    """
    import pillow_heif  # 26 MB that most runs have no use for

    pillow_heif.options.DECODE_THREADS = 1  # several images are decoded side by side
    try:
        found = pillow_heif.open_heif(data, convert_hdr_to_8bit=True, bgr_mode=True)
        if not len(found):  # images that lack a part are left out without a word
            return Failure("damaged", f"a {kind} without an image that can be decoded")
        width, height = found.size
        if width * height > _MOST_PIXELS:
            return Failure("too_large", f"a {kind} of {width} × {height} pixels, more than are decoded")
        return _three_channels(_eight_bits(np.asarray(found)))
    except MemoryError:
        return Failure(OUT_OF_MEMORY, "no memory left to decode it")
    except (ValueError, SyntaxError, EOFError, RuntimeError, OSError) as error:
        words = " ".join(str(error).split())[:120]
        if memory.is_out_of_memory(error) or "memory" in words.lower():
            return Failure(OUT_OF_MEMORY, "no memory left to decode it")
        is_cut = any(sign in words.lower() for sign in _CUT)
        return Failure("truncated" if is_cut else "damaged", f"a {kind} that cannot be decoded: {words}")


def _eight_bits(image: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the upper 8 bits: grey images of 10 and 12 bits come filled up to 16."""
    return np.right_shift(image, 8).astype(np.uint8) if image.dtype == np.uint16 else image


def _three_channels(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if image.ndim == 2:
        return cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)  # type: ignore[return-value]
    return image[..., :3].copy()  # what the decoder gives cannot be drawn on
