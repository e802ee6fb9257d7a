"""What a compressed file unpacks to, from its start to its end, and no further than makes sense."""

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable
from typing import IO, Protocol

from entrypoint.sources.archives.member import ArchiveError, bomb, is_bomb

_GZIP, _BZIP2, _XZ, _ZSTD = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd"
MAGIC = (_GZIP, _BZIP2, _XZ, _ZSTD)
_XZ_MEMORY = 256 << 20  # bytes; xz's own highest preset takes a quarter
_CHUNK = 1 << 17
_TOO_MUCH_MEMORY = "memory usage limit"


class Source(Protocol):
    """Bytes one after the other."""

    @property
    def place(self) -> int:
        """How many of them have gone by."""

    def read(self, length: int, /) -> bytes:
        """The next bytes: so many, or all that are left. Raises ArchiveError, OSError and MemoryError."""

    def skip(self, length: int, /) -> int:
        """Leave so many bytes out; gives how many there were."""


class _Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Plain:
    """The bytes of a file as they are."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._size = file, file.seek(0, io.SEEK_END)
        file.seek(0)

    @property
    def place(self) -> int:
        return self._file.tell()

    def read(self, length: int, /) -> bytes:
        return self._file.read(length)

    def skip(self, length: int, /) -> int:
        here = self._file.tell()
        return self._file.seek(min(self._size, here + length)) - here


class Unpacked:
    """What a compressed file unpacks to. Cut and damaged ones raise ArchiveError where it shows, and so do bombs."""

    def __init__(self, file: IO[bytes], magic: bytes) -> None:
        """`magic`: the file's first bytes, which tell how it is compressed."""
        self._file, self._count = file, 0
        opener = next((opener for start, opener in _OPENERS.items() if magic.startswith(start)), None)
        if opener is None:
            raise ArchiveError("damaged", "not compressed in a way that is known")
        self._stream = opener(file)

    @property
    def place(self) -> int:
        return self._count

    def read(self, length: int, /) -> bytes:
        pieces = []
        while length > 0 and (piece := self._next(length)):
            pieces.append(piece)
            length -= len(piece)
        return b"".join(pieces)

    def skip(self, length: int, /) -> int:
        left = length
        while left > 0 and (piece := self._next(left)):
            left -= len(piece)
        return length - left

    def _next(self, length: int) -> bytes:
        try:
            piece = self._stream.read(min(length, _CHUNK))
        except EOFError as error:
            raise ArchiveError("truncated", f"it ends within its compressed data, after {self._count} bytes") from error
        except MemoryError:
            raise
        except (zlib.error, lzma.LZMAError, ValueError) as error:
            raise self._damaged(error) from error
        except OSError as error:  # gzip and bz2 say by one, too, what they cannot unpack
            if error.errno:
                raise
            raise self._damaged(error) from error
        self._count += len(piece)
        if is_bomb(self._count, packed := self._file.tell()):
            failure = bomb(self._count, packed)
            raise ArchiveError(failure.kind, failure.detail)
        return piece

    def _damaged(self, error: Exception) -> ArchiveError:
        if _TOO_MUCH_MEMORY in str(error).lower():
            return ArchiveError("unsupported", f"it wants more than {_XZ_MEMORY >> 20} MB of memory to be unpacked")
        return ArchiveError("damaged", f"cannot be unpacked after {self._count} bytes: {error}")


class _Xz:
    """`lzma.open` with a limit for its memory: a dictionary may be declared to be of 4 GB."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._decompressor, self._rest = file, _new_xz(), b""

    def read(self, length: int, /) -> bytes:
        while True:
            if self._decompressor.eof:
                # Several may follow one another, each filled up with zeros to a multiple of four bytes.
                self._rest = (self._decompressor.unused_data + self._file.read(_CHUNK)).lstrip(b"\0")
                if not self._rest:
                    return b""
                self._decompressor = _new_xz()
            elif self._decompressor.needs_input and not self._rest:
                self._rest = self._file.read(_CHUNK)
                if not self._rest:
                    raise EOFError
            piece, self._rest = self._decompressor.decompress(self._rest, length), b""
            if piece:
                return piece


class _Zstd:
    """Zstandard's frames; what is wrong with them is a ValueError."""

    def __init__(self, file: IO[bytes]) -> None:
        from backports import zstd  # not for those who have no such archive

        self._file, self._error = zstd.ZstdFile(file), zstd.ZstdError

    def read(self, size: int, /) -> bytes:
        try:
            return self._file.read(size)
        except self._error as error:
            raise ValueError(str(error)) from error


def _new_xz() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)


_OPENERS: dict[bytes, Callable[[IO[bytes]], _Stream]] = {
    _GZIP: lambda file: gzip.GzipFile(fileobj=file),
    _BZIP2: bz2.BZ2File,
    _XZ: _Xz,
    _ZSTD: _Zstd,
}
