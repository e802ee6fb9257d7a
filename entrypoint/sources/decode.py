"""Pixels from an image file: upright, 8 bits, BGR, or the reason why not."""

from collections.abc import Callable, Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from entrypoint.host import memory
from entrypoint.sources import jpeg, tiff
from entrypoint.sources.chatter import chatter
from entrypoint.sources.filetype import (
    HEAD_BYTES,
    HEIF,
    JPEG,
    JPEG_2000,
    JPEG_XL,
    NETPBM,
    OPEN_EXR,
    PFM,
    PNG,
    TIFF,
    FileType,
    identify_head,
)
from entrypoint.sources.heif import decode_heif
from entrypoint.values import OUT_OF_MEMORY, Failure

Image = NDArray[np.uint8]
FindFault = Callable[[str, bytes], str | None]
"""Returns the fault in the data of a file, by the words that libraries printed, and the file; None for none."""

_UNREAD = frozenset((JPEG_XL, OPEN_EXR, PFM))
_FAULTS: Mapping[FileType, FindFault] = {JPEG: jpeg.fault, TIFF: tiff.fault}
# Formats that do not say whether 10, 12 or all bits of 16 are used: OpenCV makes the first two almost black.
_DEEP = frozenset((PNG, TIFF, JPEG_2000, NETPBM))
_BLACK = 16
_ANY_DEPTH = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH

_PNG_END = b"IEND"


def decode_image(data: bytes, *, accept_damaged: bool = False) -> Image | Failure:
    """Return the image in the bytes of a file, HWC uint8 BGR in [0, 255], EXIF orientation applied.

    Alpha is dropped and grey spread over three channels, as detect.py does. Of an animation, the first frame. An image
    whose data are damaged, as far as its decoder notices, is a Failure unless `accept_damaged` asks for what could be
    decoded of it.
    """
    kind = identify_head(data[:HEAD_BYTES])
    if kind.family == "empty":
        return Failure("empty", "0 bytes")
    if kind.family in ("document", "archive", "weights", "video"):
        return Failure("not_an_image", f"its content is {kind.name}")
    if cut := _cut(data, kind.name):
        return Failure("truncated", cut)
    if kind in HEIF:
        return decode_heif(data, kind.name)
    if kind in _UNREAD:
        return Failure("unsupported", f"{kind.name}, which is not read: convert it to JPEG or PNG")
    layout = tiff.read_layout(data) if kind is TIFF else None
    if isinstance(layout, Failure):
        return layout
    if layout and not accept_damaged and (fault := layout.fault(data)):
        return Failure("damaged", f"a TIFF image whose data are damaged: {fault}")
    packed, plain = (layout.packed, layout.plain) if layout else (False, kind in _DEEP)
    try:
        image, fault = _decoded(
            data, _ANY_DEPTH if packed else cv2.IMREAD_COLOR, None if accept_damaged else _FAULTS.get(kind)
        )
        if fault:
            return Failure("damaged", f"a {kind.name} whose data are damaged: {fault}")
        if image is None:
            return Failure("damaged" if kind.family == "image" else "not_an_image", f"{kind.name}, cannot be decoded")
        if packed:
            return _upper_bits(image, 16)
        return _brightened(data, image) if plain and image.max() <= _BLACK else image
    except cv2.error as error:
        if memory.is_out_of_memory(error):
            return Failure(OUT_OF_MEMORY, "no memory left to decode it")
        if "CV_IO_MAX_IMAGE" in str(error):
            return Failure("too_large", f"a {kind.name} with more pixels than are decoded: {_shortened(error)}")
        return Failure("damaged", f"a {kind.name} that cannot be decoded: {_shortened(error)}")
    except MemoryError:
        return Failure(OUT_OF_MEMORY, "no memory left to decode it")


def _decoded(data: bytes, flags: int, find_fault: FindFault | None) -> tuple[NDArray[Any] | None, str | None]:
    """Return the pixels that OpenCV makes of a file, and the fault in its data. Raises cv2.error."""
    buffer = np.frombuffer(data, np.uint8)

    def decode() -> NDArray[Any] | None:
        return cv2.imdecode(buffer, flags)

    heard = chatter()
    if heard is None:
        return decode(), None
    image, printed = heard.beside_others(decode)
    if find_fault is None or find_fault(printed, data) is None:
        return image, None
    del image  # it may be large, and comes again
    image, printed = heard.alone(decode)  # the words may be of another thread's image
    return image, find_fault(printed, data)


def _shortened(error: cv2.error) -> str:
    return " ".join((error.err or str(error)).split())[:120]


def _brightened(data: bytes, image: Image) -> Image:
    """Return a black `image` by the bits of its file that are used, where these are 10 or 12 of 16."""
    deep, _ = _decoded(data, _ANY_DEPTH, None)
    if deep is None or deep.dtype != np.uint16:
        return image
    bits = max(8, int(deep.max()).bit_length())
    return image if bits > 12 else _upper_bits(deep, bits + bits % 2)


def _upper_bits(image: NDArray[np.uint16], bits: int) -> Image:
    return np.right_shift(image, bits - 8).astype(np.uint8)


def _cut(data: bytes, kind: str) -> str | None:
    """How a file that does not reach its own end falls short; decoders fill the rest with grey and say nothing."""
    if kind == "JPEG image" and not jpeg.ends(data):
        return f"a JPEG image of {len(data)} bytes without its end marker"
    if kind == "PNG image" and _PNG_END not in data[-4096:] and not _png_ends(data):
        return f"a PNG image of {len(data)} bytes without its end chunk"
    if kind == "WebP image" and (declared := int.from_bytes(data[4:8], "little") + 8) > len(data):
        return f"a WebP image that declares {declared} bytes and has {len(data)}"
    return None


def _png_ends(data: bytes) -> bool:
    position = 8
    while position + 8 <= len(data):
        if data[position + 4 : position + 8] == _PNG_END:
            return True
        position += 12 + int.from_bytes(data[position : position + 4], "big")
    return False
