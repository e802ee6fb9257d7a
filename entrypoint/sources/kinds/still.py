"""Still images."""

from entrypoint.sources.filetype import identify_head
from entrypoint.sources.kinds import register
from entrypoint.sources.medium import FileMedium
from entrypoint.sources.suffixes import IMAGE_SUFFIXES
from entrypoint.sources.unmoving import StillMedium
from entrypoint.values import Failure


@register
class Still(StillMedium, FileMedium):
    """A file."""

    __slots__ = ()
    suffixes = IMAGE_SUFFIXES

    @classmethod
    def recognises(cls, head: bytes) -> bool:
        return identify_head(head).family == "image"

    def read(self) -> bytes | Failure:
        with self.opened() as file:
            return file if isinstance(file, Failure) else file.read()
