"""images/<path>: the input with its detections drawn on it."""

import cv2
import numpy as np
from numpy.typing import NDArray

from entrypoint.log import LOG
from entrypoint.results.draw import DrawOptions, annotate
from entrypoint.results.formats.base import ImageWriter, Looked
from entrypoint.results.runfolder import RunFolder
from entrypoint.settings import Settings
from entrypoint.sources.filetype import HEAD_BYTES, identify_head
from entrypoint.sources.suffixes import IMAGE_SUFFIXES

_JPEG = {".jpg", ".jpeg", ".jpe", ".jfif"}


class AnnotatedWriter(ImageWriter):
    """In the input's own format; one that OpenCV cannot write, or a name without suffix, gets `.jpg` behind it."""

    @classmethod
    def wanted(cls, settings: Settings) -> bool:
        return not settings.nosave

    def write(self, looked: Looked) -> None:
        options = DrawOptions(self.settings.line_thickness, self.settings.hide_labels, self.settings.hide_conf)
        canvas = annotate(looked.image, looked.found, self.names, options)
        write_image(self.folder, "images", looked.file, canvas, self.settings.quality)


def write_image(folder: RunFolder, where: str, file: str, image: NDArray[np.uint8], quality: int) -> None:
    """Encode `image` as its name says and write it below `where`, a JPEG in that `quality`."""
    for added in added_suffixes(file):
        encoded = encode_image(added or _suffix(file), image, quality)
        if encoded:
            folder.write(folder.file(where, file, added), encoded)
            return
    LOG.warning("%s: no format takes an image of %d × %d; not in %s", file, image.shape[1], image.shape[0], where)


def added_suffixes(file: str) -> list[str]:
    """What may stand behind the name of `file`'s image, which gets the first whose format takes it."""
    return [*([""] if _suffix(file) in IMAGE_SUFFIXES else []), ".jpg", ".png"]


def _suffix(file: str) -> str:
    return "." + file.rpartition(".")[2].lower()


def encode_image(suffix: str, image: NDArray[np.uint8], quality: int) -> memoryview | None:
    """`image` (HWC uint8 BGR) as a file's bytes, a JPEG in that `quality`, from 1 to 100.

    None where OpenCV does not write the format, or not an image of this size.
    """
    try:
        options = [cv2.IMWRITE_JPEG_QUALITY, quality] if suffix in _JPEG else []
        done, encoded = cv2.imencode(suffix, image, options)
    except cv2.error:
        return None
    return encoded.data if done and identify_head(encoded[:HEAD_BYTES].tobytes()).family == "image" else None
