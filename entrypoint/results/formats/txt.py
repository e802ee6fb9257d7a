"""labels/<path>.txt: YOLO's label format, for --save-txt."""

from collections.abc import Iterator, Sequence

from entrypoint.results.formats.base import AnnotatedFrame, FrameFormat, Leave
from entrypoint.results.paths import frame_name, result_path
from entrypoint.values import Record


class Txt(FrameFormat):
    """A line a detection: class, then x, y centre, width, height as fractions of the image, then the confidence.

    Empty when nothing was found, so that a label file says the image was looked at. The confidence is written with
    --save-conf only. Six significant digits in detect.py's order, the most confident last.
    """

    name = "txt"
    option = "--save-txt"
    help = "labels/<path>.txt: the boxes of an image in YOLO's format; of a video, labels/<path>/<name>_<frame>.txt."
    folder = "labels"
    of_videos = True

    @classmethod
    def suffixes(cls, file: str) -> Sequence[str]:
        return (".txt",)

    @classmethod
    def places(cls, record: Record) -> Iterator[str]:
        if record.video is None:
            return super().places(record)
        return (cls._path(record.file, number) for number in range(1, record.video.frames_read + 1))

    @classmethod
    def _path(cls, file: str, number: int | None) -> str:
        return result_path(cls.folder, file if number is None else frame_name(file, number), ".txt")

    def write(self, shown: AnnotatedFrame, leave: Leave) -> None:
        height, width = shown.image.shape[:2]
        found = shown.detections
        lines = []
        for (x1, y1, x2, y2), confidence, class_id in zip(found.xyxy, found.confidence, found.class_id, strict=True):
            values = [(x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height]
            values += [confidence] if self.settings.save_conf else []
            lines.append(" ".join([str(class_id), *(f"{value:g}" for value in values)]) + "\n")
        leave(self._path(shown.file, shown.number), "".join(reversed(lines)).encode())
