"""Videos: known for what they are, and not read yet."""

from collections.abc import Iterator

from entrypoint.sources.filetype import identify_head
from entrypoint.sources.kinds import register
from entrypoint.sources.medium import FileMedium, Frame
from entrypoint.sources.suffixes import VIDEO_SUFFIXES
from entrypoint.values import Failure


@register
class Video(FileMedium):
    """Yields the failure that says so."""

    __slots__ = ()
    suffixes = VIDEO_SUFFIXES

    @classmethod
    def recognises(cls, head: bytes) -> bool:
        return identify_head(head).family == "video"

    def frames(self) -> Iterator[Frame | Failure]:
        yield Failure("unsupported", "a video; only still images are read")

    def read_ahead(self) -> None:
        pass
