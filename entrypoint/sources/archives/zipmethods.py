"""The methods by which zip files pack their members."""

import bz2
import lzma
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

STORED = 0
_DEFLATED, _BZIP2, _LZMA, _ZSTD_OLD, _ZSTD = 8, 12, 14, 20, 93
METHODS = frozenset((STORED, _DEFLATED, _BZIP2, _LZMA, _ZSTD_OLD, _ZSTD))
_CHUNK = 1 << 18
_LZMA_HEADER, _LEAST_DICTIONARY = 9, 1 << 12


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def unpacked(method: int, raw: Iterator[bytes], length: int) -> Iterator[bytes]:
    """What these packed bytes unpack to, in pieces of bounded size; no more than `length` bytes are needed of it.

    Raises zlib.error, lzma.LZMAError, OSError without a number, or ValueError when they cannot be unpacked.
    """
    first = next(raw, b"")
    if method == _LZMA:
        decompressor, first = _lzma(first, length)
    else:
        decompressor = _NEW[method]()
    while not decompressor.eof:
        piece = decompressor.decompress(first, _CHUNK)
        if piece:
            yield piece
        first = b""
        # A piece of full length may not be all that it makes of what it has.
        if len(piece) < _CHUNK and not (first := next(raw, b"")):
            return


class _Deflate:
    """zlib's decompressor with the manners of the others: what it has not looked at yet, it keeps."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(-zlib.MAX_WBITS)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


class _Zstd:
    """Zstandard's decompressor; whatever is wrong with the data is a ValueError."""

    def __init__(self) -> None:
        from backports import zstd  # not for those who have no such archive

        self._inner, self._error = zstd.ZstdDecompressor(), zstd.ZstdError

    @property
    def eof(self) -> bool:
        return self._inner.eof

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        try:
            return self._inner.decompress(data, max_length)
        except self._error as error:
            raise ValueError(str(error)) from error


_NEW: dict[int, Callable[[], _Decompressor]] = {
    _DEFLATED: _Deflate,
    _BZIP2: bz2.BZ2Decompressor,
    _ZSTD: _Zstd,
    _ZSTD_OLD: _Zstd,
}


def _lzma(first: bytes, length: int) -> tuple[_Decompressor, bytes]:
    """The decompressor that the header at the start of the packed bytes asks for, and what follows the header."""
    if len(first) < _LZMA_HEADER:
        raise ValueError("without LZMA's header")
    properties, dictionary = struct.unpack_from("<BL", first, 4)
    if properties >= 9 * 5 * 5:
        raise ValueError("with a damaged header of LZMA's")
    wanted = {
        "id": lzma.FILTER_LZMA1,
        # It never refers to more than there is, and is made in full whatever is asked for.
        "dict_size": max(_LEAST_DICTIONARY, min(dictionary, length)),
        "lc": properties % 9,
        "lp": properties // 9 % 5,
        "pb": properties // 45,
    }
    return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[wanted]), first[_LZMA_HEADER:]
