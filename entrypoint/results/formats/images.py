"""images/<path>: the input with its detections drawn on it."""

from collections.abc import Iterator, Sequence

from entrypoint.results.formats.base import AnnotatedFrame, FrameFormat, Leave
from entrypoint.results.imagenames import image_paths, image_suffixes
from entrypoint.values import Record


class Images(FrameFormat):
    """In the input's own format; one that is not written in colour, or a name without suffix, gets `.jpg` behind it."""

    name = "images"
    option = "--nosave"
    help = "images/<path>: each image with its boxes drawn on it."
    default = True
    draws = True
    folder = "images"

    @classmethod
    def suffixes(cls, file: str) -> Sequence[str]:
        return image_suffixes(file)

    @classmethod
    def places(cls, record: Record) -> Iterator[str]:
        for path, _ in image_paths(cls.folder, record.file):
            yield path

    def write(self, shown: AnnotatedFrame, leave: Leave) -> None:
        from entrypoint.results.draw import DrawOptions, annotate
        from entrypoint.results.encode import leave_image

        asked = self.settings
        options = DrawOptions(asked.line_thickness, asked.hide_labels, asked.hide_conf, asked.palette)
        canvas = annotate(shown.image, shown.detections, self.names, options)
        leave_image(canvas, image_paths(self.folder, shown.file), self.settings.quality, leave)
