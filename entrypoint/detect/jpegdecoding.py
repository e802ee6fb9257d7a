"""JPEG images decoded where the network runs, by nvJPEG as torchvision brings it, once that has shown to do no harm.

nvJPEG says nothing of damaged data, where libjpeg does; so this is for those who ask for it.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from entrypoint.detect.detector import Detector
from entrypoint.detect.precision import Tally
from entrypoint.host.device import OUT_OF_MEMORY_ERRORS, Device
from entrypoint.log import LOG
from entrypoint.sources.decode import decode_image
from entrypoint.sources.exif import is_plain_jpeg
from entrypoint.sources.filetype import HEAD_BYTES, JPEG, identify_head
from entrypoint.sources.medium import Medium
from entrypoint.sources.unmoving import StillMedium
from entrypoint.values import Failure

Decode: TypeAlias = Callable[[bytes], NDArray[np.uint8] | None]

_IMAGES, _TRIED = 4, 16
_MOST_PIXELS = 1 << 26  # a small file can claim four thousand millions of them, and the memory they take
_MOST_DIFFERENCE = 2.0  # levels of 255, the mean over an image; chroma is scaled up in another way than libjpeg does


class JpegDecoder:
    """Decodes JPEG images on a device; on a CPU with torchvision's own libjpeg. Several threads may use it."""

    def __init__(self, device: Device) -> None:
        """Raises ImportError without torchvision or Pillow."""
        import PIL  # noqa: F401
        from torchvision.io import ImageReadMode, decode_jpeg

        self._decode, self._mode, self._device = decode_jpeg, ImageReadMode.RGB, str(device)

    def __call__(self, data: bytes) -> NDArray[np.uint8] | None:
        """HWC uint8 BGR in [0, 255]; None for what is to be decoded otherwise: turned, CMYK, damaged, too large."""
        import torch

        if not is_plain_jpeg(data, _MOST_PIXELS):
            return None
        try:
            coded = torch.frombuffer(bytearray(data), dtype=torch.uint8)
            planes = self._decode(coded, mode=self._mode, device=self._device)
            bgr: NDArray[np.uint8] = planes.flip(0).permute(1, 2, 0).contiguous().cpu().numpy()
        except OUT_OF_MEMORY_ERRORS:  # which is how torchvision says of anything that it cannot decode
            return None
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
    tally, compared, coded = Tally(detector.conf_thres), 0, 0
    for medium in media[:_TRIED]:
        data = medium.read() if isinstance(medium, StillMedium) else b""
        if isinstance(data, Failure) or identify_head(data[:HEAD_BYTES]) is not JPEG:
            continue
        usual = decode_image(data)
        if isinstance(usual, Failure):
            continue
        coded += 1
        image = decode(data)
        if image is None:
            continue
        compared += 1
        if image.shape != usual.shape:
            return f"images come out as {image.shape}, not {usual.shape}"
        difference = float(np.abs(image.astype(np.int16) - usual).mean())
        if difference > _MOST_DIFFERENCE:
            return f"pixels differ by {difference:.1f} of 255 levels in the mean"
        theirs, ours = detector.look_closely(usual), detector.look_closely(image)
        if theirs is not None and ours is not None:
            tally.add(theirs, ours)
        if compared == _IMAGES:
            break
    if coded and not compared:
        return "none of the first images can be decoded there"
    return tally.fault("decoding there")
