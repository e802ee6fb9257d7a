"""images/<path>: of a video, one with the detections drawn on its frames."""

from collections.abc import Iterator, Sequence

from entrypoint.results.formats.base import InputFormat
from entrypoint.results.paths import result_path
from entrypoint.values import Record

_SUFFIX = ".mp4"


class Videos(InputFormat):
    """H.264 in MP4, with the source's times and sound; a name with another suffix gets `.mp4` behind it."""

    name = "videos"
    option = "--nosave"
    help = "images/<path>: each video with boxes drawn on its frames."
    default = True
    level = "medium"
    needs_images = True
    folder = "images"

    @classmethod
    def suffixes(cls, file: str) -> Sequence[str]:
        return ("" if file.lower().endswith(_SUFFIX) else _SUFFIX,)

    @classmethod
    def places(cls, record: Record) -> Iterator[str]:
        return super().places(record) if record.video else iter(())

    @classmethod
    def path(cls, file: str) -> str:
        """Where the annotated video of an input goes."""
        return result_path(cls.folder, file, cls.suffixes(file)[0])
