"""The directory of a zip archive, read within bounds whatever the archive declares."""

import struct
import zipfile
from typing import IO

MAX_DIRECTORY_BYTES = 2 << 20
"""Bytes of the largest directory that is read, some 20,000 members; the largest checkpoints have a tenth of that."""


class LargeDirectoryError(zipfile.BadZipFile):
    """An archive, but with a directory of more than MAX_DIRECTORY_BYTES."""


def read_directory(file: IO[bytes]) -> list[zipfile.ZipInfo]:
    """The members of the archive in `file` as its directory declares them, in their order there, duplicates included.

    Nothing that a member declares has been checked. Raises zipfile.BadZipFile where there is no directory that can be
    read, LargeDirectoryError where it is too large, OSError where the file cannot be read.
    """
    try:
        with zipfile.ZipFile(_Bounded(file)) as archive:
            return archive.infolist()
    except (_OutsideError, NotImplementedError, ValueError, OverflowError, struct.error) as error:
        raise zipfile.BadZipFile(str(error)) from error


class _OutsideError(OSError):
    """A seek to where the file is not; `zipfile` takes an OSError there for a file too small for what it looks for."""


class _Bounded:
    """A file for `zipfile`, which would read as many bytes as the archive declares, from where it says."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._size = file.seek(0, 2)

    def read(self, size: int = -1) -> bytes:
        size = self._size - self._file.tell() if size < 0 else size
        if size > MAX_DIRECTORY_BYTES:
            raise LargeDirectoryError(f"its directory takes {size} bytes")
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        target = offset + (0, self._file.tell(), self._size)[whence]
        if not 0 <= target <= self._size:
            raise _OutsideError("its directory lies outside of the file")
        return self._file.seek(target)

    def tell(self) -> int:
        return self._file.tell()
