"""Media with one frame, wherever their bytes lie."""

import hashlib
from abc import abstractmethod
from collections.abc import Iterator

from entrypoint.sources.decode import decode_image
from entrypoint.sources.exif import read_exif
from entrypoint.sources.medium import Frame, Medium, ReadOptions
from entrypoint.values import Failure


class StillMedium(Medium):
    """An image; of an animation or of a file with several pages, the first."""

    __slots__ = ()
    options: ReadOptions

    @abstractmethod
    def read(self) -> bytes | Failure:
        """All of its bytes, or why they cannot be read."""

    def frames(self) -> Iterator[Frame | Failure]:
        data = self.read()
        if isinstance(data, Failure):
            yield data
            return
        self.sha256 = hashlib.sha256(data).hexdigest()
        image = decode_image(data, accept_damaged=self.options.accept_damaged)
        if isinstance(image, Failure):
            yield image
            return
        self.exif = read_exif(data, self.options.exif)
        del data
        yield Frame(0, None, image)
