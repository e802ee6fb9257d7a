"""Input files held open by one descriptor, from the first byte that is read to the last, and extents of them."""

import hashlib
import io
import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from entrypoint.inputstate import InputState
from entrypoint.sources.faults import read_failure
from entrypoint.values import OUT_OF_MEMORY, Failure

MOST_BYTES = 1 << 30
"""Bytes of the largest file that is read whole."""
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class InputFile:
    """A regular file that is open.

    `status`: the system's account of it when it was opened or, if it is an archive, when its members were listed.
    """

    path: str
    descriptor: int
    status: os.stat_result

    @property
    def state(self) -> InputState:
        return InputState.of(self.status)

    @property
    def size(self) -> int:
        return self.status.st_size

    def read(self) -> bytes | Failure:
        """Return all bytes, or a failure if they cannot be read, are more than MOST_BYTES, or changed meanwhile."""
        if self.size > MOST_BYTES:
            return Failure("too_large", f"{self.size} bytes, more than the {MOST_BYTES} read")
        try:
            with io.FileIO(self.descriptor, closefd=False) as file:
                data: bytes | None = file.readall()
        except OSError as error:
            return read_failure(error)
        except MemoryError:
            return Failure(OUT_OF_MEMORY, "no memory left to read it")
        if data is None:  # from a file that only looks like one, such as /proc/kmsg
            return Failure("unreadable", "it has nothing to be read now")
        return self.change() or data

    def change(self) -> Failure | None:
        """Return a failure if the path no longer leads to the file as `status` describes it, None otherwise."""
        return change(self.path, self.status)


@dataclass(frozen=True, slots=True)
class Extent:
    """`size` bytes of an open file, from byte `start`; all that follow where `size` is None.

    `crc`: the CRC-32 that they should have, where an archive tells it.
    """

    file: InputFile
    start: int = 0
    size: int | None = None
    crc: int | None = None

    def sha256(self) -> str | Failure:
        """Return the digest of its bytes, all of which are read, in hexadecimal.

        Return a failure if they do not have their CRC, or the file changed. Raise OSError.
        """
        digest, crc, at, left = hashlib.sha256(), 0, self.start, self.size
        while left is None or left > 0:
            chunk = os.pread(self.file.descriptor, _CHUNK if left is None else min(left, _CHUNK), at)
            if not chunk:
                break
            digest.update(chunk)
            if self.crc is not None:
                crc = zlib.crc32(chunk, crc)
            at += len(chunk)
            left = None if left is None else left - len(chunk)
        if change := self.file.change():
            return change
        if self.crc is not None and crc != self.crc:
            return Failure("damaged", "its bytes do not have the checksum that the archive tells")
        return digest.hexdigest()


def change(path: str, before: os.stat_result) -> Failure | None:
    """Return a failure if `path` leads to another file than `before` describes, or to one that was written to since.

    A file that was removed is no failure: its bytes stay as long as it is open.
    """
    try:
        now = os.stat(path)  # noqa: PTH116 - a Path for each of a million files costs seconds
    except OSError:
        return None
    if _identity(now) == _identity(before):
        return None
    is_other = (now.st_dev, now.st_ino) != (before.st_dev, before.st_ino)
    what = "replaced by another file" if is_other else "written to"
    return Failure("changed", f"{what} while it was read: run the same command again once nothing writes to it")


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


@contextmanager
def opened(path: str) -> Iterator[InputFile | Failure]:
    """Open the regular file at `path` for the time of the block; give a failure if that is not possible."""
    file = _open(path)
    try:
        yield file
    finally:
        if isinstance(file, InputFile):
            os.close(file.descriptor)


def _open(path: str) -> InputFile | Failure:
    try:
        # Without waiting: what looks like a file may be a pipe that nobody writes to.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return Failure("vanished", "listed at the start, gone when its turn came")
    except OSError as error:
        return read_failure(error)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        return Failure("not_a_file", "neither a regular file nor a link to one")
    return InputFile(path, descriptor, status)
