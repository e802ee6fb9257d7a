"""Still images; of an animation or of a file with several pages, the first."""

import hashlib
from collections.abc import Iterator

from entrypoint.sources.decode import decode_image, read_bytes
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
        data = read_bytes(self.path)
        if isinstance(data, Failure):
            yield data
            return
        self.sha256 = hashlib.sha256(data).hexdigest()
        image = decode_image(data, accept_damaged=self.options.accept_damaged)
        del data
        yield image if isinstance(image, Failure) else Frame(0, None, image)
