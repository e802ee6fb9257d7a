"""What the type of a file is."""

from dataclasses import dataclass
from typing import Literal

Family = Literal["weights", "image", "video", "archive", "document", "empty", "damaged", "unknown"]


@dataclass(frozen=True, slots=True)
class FileType:
    """`family` groups what a program can do with the file; `name` is a noun phrase for a message."""

    family: Family
    name: str
