"""labels/<path>.txt: YOLO's label format, for --save-txt."""

from collections.abc import Sequence

from entrypoint.results.formats.base import AnnotatedFrame, FrameFormat, Leave
from entrypoint.results.paths import result_path


class Txt(FrameFormat):
    """A line a detection: class, then x, y centre, width, height as fractions of the image, then the confidence.

    Empty when nothing was found, so that a label file says the image was looked at. The confidence is written with
    --save-conf only. Six significant digits in detect.py's order, the most confident last.
    """

    name = "txt"
    option = "--save-txt"
    help = "labels/<path>.txt: the boxes of an image in YOLO's format."
    folder = "labels"

    @classmethod
    def suffixes(cls, file: str) -> Sequence[str]:
        return (".txt",)

    def write(self, shown: AnnotatedFrame, leave: Leave) -> None:
        height, width = shown.image.shape[:2]
        found = shown.detections
        lines = []
        for (x1, y1, x2, y2), confidence, class_id in zip(found.xyxy, found.confidence, found.class_id, strict=True):
            values = [(x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height]
            values += [confidence] if self.settings.save_conf else []
            lines.append(" ".join([str(class_id), *(f"{value:g}" for value in values)]) + "\n")
        leave(result_path(self.folder, shown.file, ".txt"), "".join(reversed(lines)).encode())
