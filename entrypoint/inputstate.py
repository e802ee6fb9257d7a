"""What is remembered of an input file, so that a later attempt knows whether it is still the same."""

import os
from dataclasses import dataclass
from typing import Self

from entrypoint.checks import checked_object, checked_whole

_ANY = 1 << 64
MOST_BYTES = (1 << 63) - 1
"""No file system has a larger file."""


@dataclass(frozen=True, slots=True)
class InputState:
    """What tells that an input is still the one that was looked at: size in bytes, times in ns since 1970, inode."""

    size: int
    mtime_ns: int
    inode: int
    ctime_ns: int

    @classmethod
    def of(cls, found: os.stat_result) -> Self:
        """Of a file that the system has described."""
        return cls(found.st_size, found.st_mtime_ns, found.st_ino, found.st_ctime_ns)

    def to_text(self) -> bytes:
        """JSON, as the journal holds it; made without an encoder, for a run that is continued makes a million."""
        return b'{"size": %d, "mtime_ns": %d, "inode": %d, "ctime_ns": %d}' % (
            *(self.size, self.mtime_ns, self.inode, self.ctime_ns),
        )

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Raises ValueError."""
        plain = checked_object(value, "input")
        size = checked_whole(plain.get("size"), "size", 0, MOST_BYTES)
        return cls(size, *[checked_whole(plain.get(field), field, -_ANY, _ANY) for field in cls.__slots__[1:]])
