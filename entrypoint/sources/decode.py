"""Pixels from an image file: upright, 8 bits, BGR, or the reason why not."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from entrypoint.host import memory
from entrypoint.sources import jpeg
from entrypoint.sources.chatter import chatter
from entrypoint.sources.extent import opened
from entrypoint.sources.filetype import HEAD_BYTES, HEIF, JPEG, JPEG_XL, identify_head
from entrypoint.sources.heif import decode_heif
from entrypoint.values import OUT_OF_MEMORY, Failure

Image = NDArray[np.uint8]

_PNG_END = b"IEND"


def read_image(path: str | Path, *, accept_damaged: bool = False) -> Image | Failure:
    """The image at `path`, HWC uint8 BGR in [0, 255], EXIF orientation applied; a Failure, never an exception.

    Alpha is dropped and grey spread over three channels, as detect.py does. Of an animation, the first frame. A JPEG
    image whose data are damaged is a Failure unless `accept_damaged` asks for what could be decoded of it.
    """
    with opened(str(path)) as file:
        data = file if isinstance(file, Failure) else file.read()
    return data if isinstance(data, Failure) else decode_image(data, accept_damaged=accept_damaged)


def decode_image(
    data: bytes, *, accept_damaged: bool = False, jpeg_first: Callable[[bytes], Image | None] | None = None
) -> Image | Failure:
    """`read_image` for bytes in memory; `jpeg_first` may decode a JPEG image, whole by its markers, in its own way."""
    kind = identify_head(data[:HEAD_BYTES])
    if kind.family == "empty":
        return Failure("empty", "0 bytes")
    if kind.family in ("document", "archive", "weights", "video"):
        return Failure("not_an_image", f"its content is {kind.name}")
    if cut := _cut(data, kind.name):
        return Failure("truncated", cut)
    if jpeg_first and kind is JPEG and (found := jpeg_first(data)) is not None:
        return found
    if kind in HEIF:
        return decode_heif(data, kind.name)
    if kind is JPEG_XL:
        return Failure("unsupported", "a JPEG XL image, which is not read: convert it to JPEG or PNG")
    try:
        image, warning = _decoded(data, listen=kind is JPEG)
    except cv2.error as error:
        if memory.is_out_of_memory(error):
            return Failure(OUT_OF_MEMORY, "no memory left to decode it")
        if "CV_IO_MAX_IMAGE" in str(error):
            return Failure("too_large", f"a {kind.name} with more pixels than are decoded: {_shortened(error)}")
        return Failure("damaged", f"a {kind.name} that cannot be decoded: {_shortened(error)}")
    except MemoryError:
        return Failure(OUT_OF_MEMORY, "no memory left to decode it")
    if image is None:
        return Failure("damaged" if kind.family == "image" else "not_an_image", f"{kind.name}, cannot be decoded")
    if not accept_damaged and (fault := jpeg.fault(warning, data)):
        return Failure("damaged", f"a {kind.name} whose data are damaged: {fault}")
    return _eight_bits(image)


def _decoded(data: bytes, listen: bool) -> tuple[NDArray[np.generic] | None, str]:
    """What OpenCV makes of a file, and where it is to `listen` what it printed about that. Raises cv2.error."""
    buffer, flags = np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH

    def decode() -> NDArray[np.generic] | None:
        return cv2.imdecode(buffer, flags)

    heard = chatter()
    if heard is None:
        return decode(), ""
    image, printed = heard.beside_others(decode)
    if not (printed and listen):
        return image, ""
    del image  # it may be large, and comes again
    return heard.alone(decode)


def _shortened(error: cv2.error) -> str:
    return " ".join((error.err or str(error)).split())[:120]


def _eight_bits(image: NDArray[np.generic]) -> Image:
    if image.dtype == np.uint8:
        return image  # type: ignore[return-value]
    if image.dtype == np.uint16:
        # 10 or 12 significant bits in 16: their eight highest would be black.
        bits = max(8, int(image.max()).bit_length())
        bits = 16 if bits > 12 else bits + bits % 2
        return np.right_shift(image.astype(np.uint16), bits - 8).astype(np.uint8)
    scaled = np.nan_to_num(image.astype(np.float32)).clip(0, 1) * 255
    return scaled.round().astype(np.uint8)


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
