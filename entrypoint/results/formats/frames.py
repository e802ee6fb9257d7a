"""frames/<path>.jsonl: what was found in each frame of a video."""

from collections.abc import Sequence

from entrypoint.results.formats.base import InputFormat
from entrypoint.results.framerecords import FOLDER
from entrypoint.settings import Settings


class Frames(InputFormat):
    """Written for every video, whatever else is: all other formats are made from it."""

    name = "frames"
    help = "frames/<path>.jsonl: of each video, a line for each frame that was looked at."
    default = True
    level = "medium"
    folder = FOLDER

    @classmethod
    def is_wanted(cls, settings: Settings) -> bool:
        return True

    @classmethod
    def suffixes(cls, file: str) -> Sequence[str]:
        return (".jsonl",)
