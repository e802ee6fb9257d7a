"""What writers get and what they must offer."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from entrypoint.results.runfolder import RunFolder
from entrypoint.settings import Settings
from entrypoint.values import Detections, Record, compact


@dataclass(frozen=True, slots=True)
class Looked:
    """An image that was looked at: `image` HWC uint8 BGR upright, and what was found in it."""

    file: str
    image: NDArray[np.uint8]
    found: Detections


class JsonArray:
    """The items of a JSON array in a file, a line for those that are added together."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.count = file, 0

    def add(self, items: Sequence[object]) -> None:
        """Write so many more."""
        if items:
            self._file.write((b",\n" if self.count else b"\n") + compact(items)[1:-1])
            self.count += len(items)


class _Writer:
    def __init__(self, settings: Settings, folder: RunFolder, names: tuple[str, ...]) -> None:
        self.settings, self.folder, self.names = settings, folder, names

    @classmethod
    def wanted(cls, settings: Settings) -> bool:
        """Whether these settings ask for this format."""
        return True


class ImageWriter(_Writer, ABC):
    """Writes something for each image. Called from several threads."""

    @abstractmethod
    def write(self, looked: Looked) -> None:
        """Write for one image. Raises OutputError."""


class RunWriter(_Writer, ABC):
    """Writes one file for the whole run."""

    @abstractmethod
    def taking(self, info: dict[str, Any]) -> AbstractContextManager[Callable[[Record], None]]:
        """For the time of the block, what takes each record, sorted by file; then the file is there.

        Raises OutputError, as what it gives does.
        """
