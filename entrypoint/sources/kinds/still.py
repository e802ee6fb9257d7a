"""Still images; of an animation or of a file with several pages, the first."""

from collections.abc import Iterator

from entrypoint.sources.decode import read_image
from entrypoint.sources.filetype import identify_head
from entrypoint.sources.kinds import register
from entrypoint.sources.medium import FileMedium, Frame
from entrypoint.sources.suffixes import IMAGE_SUFFIXES
from entrypoint.values import Failure


@register
class Still(FileMedium):
    """One frame, without a time."""

    __slots__ = ()
    suffixes = IMAGE_SUFFIXES

    @classmethod
    def recognises(cls, head: bytes) -> bool:
        return identify_head(head).family == "image"

    def frames(self) -> Iterator[Frame | Failure]:
        image = read_image(self.path, accept_damaged=self.options.accept_damaged)
        yield image if isinstance(image, Failure) else Frame(0, None, image)
