"""video-frames/<path>.jsonl: what was found in each frame of a video."""

from collections.abc import Sequence

from entrypoint.results.formats.base import InputFormat
from entrypoint.results.paths import result_path
from entrypoint.settings import Settings

FOLDER = "video-frames"
_SUFFIX = ".jsonl"


class Frames(InputFormat):
    """Written for every video, whatever else is: all other formats are made from it."""

    name = "frames"
    help = "video-frames/<path>.jsonl: of each video, a line for each frame that was looked at."
    default = True
    level = "medium"
    folder = FOLDER

    @classmethod
    def is_wanted(cls, settings: Settings) -> bool:
        return True

    @classmethod
    def suffixes(cls, file: str) -> Sequence[str]:
        return (_SUFFIX,)

    @classmethod
    def path(cls, file: str) -> str:
        """Where the frames of an input are."""
        return result_path(cls.folder, file, _SUFFIX)
