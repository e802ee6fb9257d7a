"""Media with many frames, wherever their bytes lie."""

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from entrypoint.inputstate import InputState
from entrypoint.sources.extent import Extent
from entrypoint.sources.medium import Frame, Medium, ReadOptions
from entrypoint.sources.position import Position
from entrypoint.values import Failure

if TYPE_CHECKING:
    from entrypoint.sources.video import VideoReading


@dataclass(frozen=True, slots=True)
class PlacedFrame(Frame):
    """A frame of a video. `pts`: its time in the stream's units, more than the one before; `position`: behind it."""

    pts: int
    position: Position


class VideoMedium(Medium):
    """A video."""

    __slots__ = ()
    options: ReadOptions

    @abstractmethod
    def extent(self) -> AbstractContextManager[Extent | Failure]:
        """Hold its bytes open for the time of the block; give a failure if they cannot be read."""

    def reading(self, extent: Extent, after: Position | None = None) -> "VideoReading":
        """Its frames, or those that follow a place, read from where its bytes lie."""
        from entrypoint.sources.video import VideoReading  # with it FFmpeg, which stills do without

        options = self.options
        return VideoReading(extent, stride=options.vid_stride, after=after, accept_damaged=options.accept_damaged)

    def frames(self) -> Iterator[Frame | Failure]:
        with self.extent() as extent:
            if isinstance(extent, Failure):
                yield extent
            else:
                yield from self.reading(extent)
                sha256 = extent.sha256()
                if isinstance(sha256, Failure):
                    yield sha256
                else:
                    self.sha256 = sha256

    def digest(self) -> tuple[str, InputState] | None:
        with self.extent() as extent, suppress(OSError):
            if isinstance(extent, Extent):
                sha256 = extent.sha256()
                return None if isinstance(sha256, Failure) else (sha256, extent.file.state)
        return None
