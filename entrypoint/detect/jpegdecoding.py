"""JPEG images decoded on the GPU by nvJPEG, which torchvision brings, once a trial has found the same boxes.

nvJPEG does not always tell of damaged data, as libjpeg does; so this is for those who ask for it.
"""

from collections.abc import Callable, Sequence
from itertools import islice
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from entrypoint.detect.detector import Detector
from entrypoint.detect.precision import Tally
from entrypoint.host.device import OUT_OF_MEMORY_ERRORS, Device
from entrypoint.host.memory import is_out_of_memory
from entrypoint.log import LOG
from entrypoint.sources.decode import decode_image
from entrypoint.sources.exif import is_plain_jpeg
from entrypoint.sources.filetype import HEAD_BYTES, JPEG, identify_head
from entrypoint.sources.medium import Medium
from entrypoint.sources.suffixes import suffix
from entrypoint.sources.unmoving import StillMedium
from entrypoint.values import Failure

Decode: TypeAlias = Callable[[bytes], NDArray[np.uint8] | None]

_IMAGES, _TRIED = 4, 16  # images that both ways have decoded; files that are tried for that
_MOST_PIXELS = 1 << 26  # a file of a few bytes can claim 65,535 times as many rows, and take the memory for them
_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif"})
_MOST_DIFFERENCE = 2.0  # levels of 255, the mean over an image; chroma is scaled up in another way than libjpeg does


class JpegDecoder:
    """Decodes JPEG images on a device; on a CPU with torchvision's own libjpeg. Several threads may use it."""

    def __init__(self, device: Device) -> None:
        """Raises ImportError without Pillow, or without a torchvision that can do it."""
        import PIL  # noqa: F401

        try:
            import torch
            from torchvision.io import ImageReadMode, decode_jpeg

            getattr(torch.ops.image, "decode_jpegs_cuda" if device.on_gpu else "decode_jpeg")
        except (AttributeError, OSError, RuntimeError) as error:  # of another PyTorch's, or without its library
            raise ImportError(str(error).splitlines()[0]) from error
        self._decode, self._mode, self._device = decode_jpeg, ImageReadMode.RGB, str(device)

    def __call__(self, data: bytes) -> NDArray[np.uint8] | None:
        """HWC uint8 BGR in [0, 255]; None for what is to be decoded otherwise: turned, CMYK, damaged, too large.

        Raises what says that memory is out.
        """
        import torch

        if not is_plain_jpeg(data, _MOST_PIXELS):
            return None
        try:
            coded = torch.frombuffer(bytearray(data), dtype=torch.uint8)
            planes = self._decode(coded, mode=self._mode, device=self._device)
            bgr: NDArray[np.uint8] = planes.flip(0).permute(1, 2, 0).contiguous().cpu().numpy()
        except OUT_OF_MEMORY_ERRORS as error:
            if is_out_of_memory(error):
                raise
            return None  # RuntimeError is also how torchvision says that it cannot decode a file
        return bgr


def jpeg_decoder(detector: Detector, media: Sequence[Medium]) -> JpegDecoder | None:
    """What decodes JPEG images on the device of a detector; None, and a warning, where that is not to be trusted.

    The detector is to have a moderate threshold, as for the trial of half precision.
    """
    device = detector.device
    fault: str | None = "it needs a GPU"
    if device.on_gpu:
        try:
            decoder = JpegDecoder(device)
            fault = decoding_fault(decoder, detector, media)
        except ImportError as error:
            fault = f"what decodes them is not here ({error})"
    if fault:
        LOG.warning("--gpu-jpeg: %s; JPEG images are decoded on the CPU", fault)
        return None
    return decoder


def decoding_fault(decode: Decode, detector: Detector, media: Sequence[Medium]) -> str | None:
    """How the first JPEG images of a run come out otherwise than by the usual way; None for no difference that counts.

    Raises what says that memory is out.
    """
    tally, compared = Tally(detector.conf_thres), 0
    named = (medium for medium in media if suffix(medium.file) in _SUFFIXES)
    for medium in islice(named, _TRIED):
        data = medium.read() if isinstance(medium, StillMedium) else b""
        if isinstance(data, Failure) or identify_head(data[:HEAD_BYTES]) is not JPEG:
            continue
        usual = decode_image(data)
        if isinstance(usual, Failure):
            continue
        image = decode(data)
        if image is None:
            continue
        if image.shape != usual.shape:
            return f"images come out as {image.shape}, not {usual.shape}"
        difference = float(np.abs(image.astype(np.int16) - usual).mean())
        if difference > _MOST_DIFFERENCE:
            return f"pixels differ by {difference:.1f} of 255 levels in the mean"
        theirs, ours = detector.look_closely(usual), detector.look_closely(image)
        if theirs is not None and ours is not None:
            tally.add(theirs, ours)
            compared += 1
        if compared == _IMAGES:
            break
    if not compared:
        return "no JPEG image of the source could be tried"
    return tally.fault("nvJPEG")
