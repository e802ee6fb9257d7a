"""Videos, whatever their container and codec, as far as FFmpeg knows them."""

from collections.abc import Iterator
from contextlib import contextmanager

from entrypoint.sources.extent import Extent
from entrypoint.sources.filetype import identify_head
from entrypoint.sources.kinds import register
from entrypoint.sources.medium import FileMedium
from entrypoint.sources.moving import VideoMedium
from entrypoint.sources.suffixes import VIDEO_SUFFIXES
from entrypoint.values import Failure


@register
class Video(VideoMedium, FileMedium):
    """A file."""

    __slots__ = ()
    suffixes = VIDEO_SUFFIXES

    @classmethod
    def recognises(cls, head: bytes) -> bool:
        return identify_head(head).family == "video"

    @contextmanager
    def extent(self) -> Iterator[Extent | Failure]:
        with self.opened() as file:
            yield file if isinstance(file, Failure) else Extent(file)
