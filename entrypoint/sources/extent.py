"""Where the bytes of a medium lie: a file, or a part of one, as members of archives that are stored as they are."""

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from entrypoint.values import Failure

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Extent:
    """`size` bytes of the file at `path`, from byte `start`; all that follow where `size` is None."""

    path: str
    start: int = 0
    size: int | None = None

    def sha256(self) -> str | None:
        """That of its bytes, in hexadecimal, for which all of them are read; None where they cannot be."""
        with opened(self.path) as descriptor, suppress(OSError):
            if not isinstance(descriptor, Failure):
                return _digest(descriptor, self.start, self.size)
        return None


@contextmanager
def opened(path: str) -> Iterator[int | Failure]:
    """A descriptor of the regular file at `path` for the time of the block, or why there is none."""
    descriptor = _open(path)
    try:
        yield descriptor
    finally:
        if not isinstance(descriptor, Failure):
            os.close(descriptor)


def _open(path: str) -> int | Failure:
    try:
        # Without waiting: what looks like a file may be a pipe that nobody writes to.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return Failure("vanished", "listed at the start, gone when its turn came")
    except OSError as error:
        return Failure("unreadable", f"cannot be read: {error.strerror}")
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return Failure("not_a_file", "neither a regular file nor a link to one")
    return descriptor


def _digest(descriptor: int, at: int, left: int | None) -> str:
    digest = hashlib.sha256()
    while left is None or left > 0:
        chunk = os.pread(descriptor, _CHUNK if left is None else min(left, _CHUNK), at)
        if not chunk:
            break
        digest.update(chunk)
        at += len(chunk)
        left = None if left is None else left - len(chunk)
    return digest.hexdigest()
