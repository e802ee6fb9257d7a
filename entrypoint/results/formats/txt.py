"""labels/<path>.txt: YOLO's label format, for --save-txt."""

from entrypoint.results.formats.base import ImageWriter, Looked
from entrypoint.settings import Settings


class TxtWriter(ImageWriter):
    """A line a detection: class, then x, y centre, width, height as fractions of the image, then the confidence.

    Empty when nothing was found, so that a label file says the image was looked at. The confidence is written with
    --save-conf only. Six significant digits in detect.py's order, the most confident last.
    """

    @classmethod
    def wanted(cls, settings: Settings) -> bool:
        return settings.save_txt

    def write(self, looked: Looked) -> None:
        height, width = looked.image.shape[:2]
        found = looked.found
        lines = []
        for (x1, y1, x2, y2), confidence, class_id in zip(found.xyxy, found.confidence, found.class_id, strict=True):
            values = [(x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height]
            values += [confidence] if self.settings.save_conf else []
            lines.append(" ".join([str(class_id), *(f"{value:g}" for value in values)]) + "\n")
        self.folder.write(self.folder.file("labels", looked.file, ".txt"), "".join(reversed(lines)).encode())
