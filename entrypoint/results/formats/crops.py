"""crops/<class>/<path>: each detection cut out of its image, for --save-crop."""

import re

from entrypoint.results.formats.base import ImageWriter, Looked
from entrypoint.results.formats.images import write_image
from entrypoint.settings import Settings

_GAIN, _PAD = 1.02, 10  # detect.py cuts a little more than the box
_MAX_BYTES = 200


class CropWriter(ImageWriter):
    """Named by the input's path and the detection's place in its record: crops/person/a/img.jpg.0.jpg."""

    @classmethod
    def wanted(cls, settings: Settings) -> bool:
        return settings.save_crop

    def write(self, looked: Looked) -> None:
        height, width = looked.image.shape[:2]
        for number, ((x1, y1, x2, y2), class_id) in enumerate(
            zip(looked.found.xyxy.tolist(), looked.found.class_id.tolist(), strict=True)
        ):
            half_x, half_y = (x2 - x1) * _GAIN / 2 + _PAD / 2, (y2 - y1) * _GAIN / 2 + _PAD / 2
            x, y = (x1 + x2) / 2, (y1 + y2) / 2
            left, right = max(0, int(x - half_x)), min(width, int(x + half_x))
            top, bottom = max(0, int(y - half_y)), min(height, int(y + half_y))
            crop = looked.image[top:bottom, left:right]
            where, file = crop_place(looked.file, number, self.names[class_id])
            write_image(self.folder, where, file, crop, self.settings.quality)


def crop_place(file: str, number: int, class_name: str) -> tuple[str, str]:
    """The folder of a detection's crop, and its name in there."""
    return f"crops/{_folder_name(class_name)}", f"{file}.{number}.jpg"


def _folder_name(class_name: str) -> str:
    """A class name from a checkpoint, as a folder name that stays where it is put."""
    plain = re.sub(r"[/\\\x00]", "_", class_name).encode()[:_MAX_BYTES].decode("utf-8", "ignore")
    return plain.strip(". ") or "class"
