"""Which kind of archive a file is, by its content."""

import os
import re
import tarfile

from entrypoint.sources.archives.member import Archive, ArchiveError
from entrypoint.sources.archives.tarmembers import PackedTar, TarArchive
from entrypoint.sources.archives.unpacking import MAGIC, Unpacked
from entrypoint.sources.archives.zipmembers import ZipArchive
from entrypoint.sources.extent import opened
from entrypoint.values import Failure

_BLOCK = 512
_ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06")
_NAME_OF_ZIP = ".zip"
_NAME_OF_TAR = re.compile(r"\.(tar(\.[a-z0-9]+)?|tgz|tbz2?|txz|tzst)$", re.IGNORECASE)


def open_archive(path: str) -> Archive | None:
    """The archive at `path`; None for a file that is none, or none of a kind that can be read. Raises OSError.

    Where a name says that it is a tar archive, a compressed file is taken for one even if nothing can be unpacked.
    """
    with opened(path) as file:
        if isinstance(file, Failure):
            return None
        head = os.pread(file.descriptor, _BLOCK, 0)
        if head.startswith(_ZIP_STARTS):
            return ZipArchive(path, file.status)
        if _is_tar(head):
            return TarArchive(path, file.status)
        if head.startswith(MAGIC) and (_NAME_OF_TAR.search(path) or _holds_tar(file.descriptor, head)):
            return PackedTar(path, file.status)
    return None


def may_be_archive(head: bytes) -> bool:
    """Whether a file that begins with `head` may be one, so that it is worth a look."""
    return head.startswith((*_ZIP_STARTS, *MAGIC)) or _is_tar(head[:_BLOCK])


def is_named_archive(path: str) -> bool:
    """Whether a name says that the file is an archive of several files, and not just that it is compressed."""
    return path.lower().endswith(_NAME_OF_ZIP) or _NAME_OF_TAR.search(path) is not None


def nothing_in(path: str) -> Failure | None:
    """Why not a byte of a file can be read, None where one can."""
    with opened(path) as file:
        if isinstance(file, Failure):
            return file
        return None if file.size else Failure("empty", "0 bytes")


def _holds_tar(descriptor: int, head: bytes) -> bool:
    """Whether a compressed file unpacks to a tar archive, as far as it can be unpacked."""
    with os.fdopen(os.dup(descriptor), "rb") as file:
        try:
            return _is_tar(Unpacked(file, head).read(_BLOCK))
        except (ArchiveError, MemoryError):
            return False


def _is_tar(block: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True
