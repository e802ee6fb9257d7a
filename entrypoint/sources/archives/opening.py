"""Which kind of archive a file is, by its content."""

import os
import re
import tarfile

from entrypoint.sources.archives.member import Archive, ArchiveError
from entrypoint.sources.archives.tarmembers import PackedTar, TarArchive
from entrypoint.sources.archives.unpacking import MAGIC, Unpacked
from entrypoint.sources.archives.zipdirectory import ends_as_zip
from entrypoint.sources.archives.zipmembers import ZipArchive
from entrypoint.sources.extent import InputFile, opened
from entrypoint.sources.filetype import RAR, SEVEN_ZIP, TAR, identify_head
from entrypoint.values import Failure

_BLOCK = 512
_ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06")
_NAMES = (".zip", ".7z", ".rar")
# Other suffixes behind `.tar` are those of files beside an archive: its checksum, its index. Numbers are its parts.
_NAME_OF_TAR = re.compile(r"\.(tar(\.(gz|bz2?|xz|zstd?|lz|lz4|lzma|lzo|br|z|\d+))?|tgz|tbz2?|txz|tzst)$", re.IGNORECASE)


def open_archive(path: str) -> Archive | None:
    """Return the archive at `path`; None for a file that is none, or none of a kind that can be read. Raise OSError.

    If its name says that it is a tar archive, a compressed file is taken for one even if nothing can be unpacked. A zip
    archive may have other bytes before it, as one that extracts itself has.
    """
    with opened(path) as file:
        if isinstance(file, Failure):
            return None
        head = os.pread(file.descriptor, _BLOCK, 0)
        if head.startswith(_ZIP_STARTS):
            return ZipArchive(path, file.status)
        if _is_tar(head) or (_NAME_OF_TAR.search(path) and _is_empty_tar(file)):
            return TarArchive(path, file.status)
        if _may_hide_zip(head) and ends_as_zip(file.descriptor, may_have_comment=is_named_archive(path)):
            return ZipArchive(path, file.status)
        if head.startswith(MAGIC) and (_NAME_OF_TAR.search(path) or _holds_tar(file.descriptor, head)):
            return PackedTar(path, file.status)
    return None


def may_be_archive(head: bytes) -> bool:
    """Whether a file that begins with `head` may be one, so that it is worth a look."""
    return head.startswith((*_ZIP_STARTS, *MAGIC)) or _is_tar(head[:_BLOCK])


def hides_zip(path: str, head: bytes) -> bool:
    """Return whether a file that begins with `head` is of no known type but text, and ends as a zip archive does."""
    if not _may_hide_zip(head):
        return False
    with opened(path) as file:
        return not isinstance(file, Failure) and ends_as_zip(file.descriptor, may_have_comment=is_named_archive(path))


def is_named_archive(path: str) -> bool:
    """Return whether a name says that the file is an archive of several files, and not just that it is compressed."""
    return path.lower().endswith(_NAMES) or _NAME_OF_TAR.search(path) is not None


def unreadable(path: str, head: bytes) -> Failure | None:
    """Return why a file that begins with `head`, and could not be opened, is no archive that is read.

    None if neither its name nor its content says that it is an archive.
    """
    kind = identify_head(head)
    if kind in (SEVEN_ZIP, RAR):
        return Failure("unsupported", f"a {kind.name}, which is not read: unpack it, or bring a zip or tar archive")
    if kind is TAR:
        return Failure("damaged", "a tar archive whose first header does not have the checksum that it tells")
    if not is_named_archive(path):
        return None
    if head:
        return Failure("damaged", f"named as an archive, but its content is {kind.name}: expected a zip or tar archive")
    with opened(path) as file:
        if isinstance(file, Failure):
            return file
        return Failure("unreadable", "cannot be read") if file.size else Failure("empty", "0 bytes")


def _may_hide_zip(head: bytes) -> bool:
    return identify_head(head).family in ("document", "unknown")


def _holds_tar(descriptor: int, head: bytes) -> bool:
    """Whether a compressed file unpacks to a tar archive, as far as it can be unpacked."""
    with os.fdopen(os.dup(descriptor), "rb") as file:
        try:
            block = Unpacked(file, head).read(_BLOCK)
        except (ArchiveError, MemoryError):
            return False
    return _is_tar(block) or identify_head(block) is TAR


def _is_empty_tar(file: InputFile) -> bool:
    """Return whether a file is a tar archive without members: the zeros at its end, and nothing before them."""
    return 0 < file.size <= tarfile.RECORDSIZE and not os.pread(file.descriptor, file.size, 0).strip(b"\0")


def _is_tar(block: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True
