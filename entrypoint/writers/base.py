"""What writers get and what they must offer."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from entrypoint.records import Detections, Record
from entrypoint.runfolder import RunFolder
from entrypoint.settings import Settings


@dataclass(frozen=True, slots=True)
class Looked:
    """An image that was looked at: `image` HWC uint8 BGR upright, and what was found in it."""

    file: str
    image: NDArray[np.uint8]
    found: Detections


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
    def write(self, records: Iterable[Record], info: dict[str, Any]) -> None:
        """Write from all records, sorted by file. Raises OutputError."""
