"""Parts in an archive, as `bacalhau job get --raw` leaves them: read where they lie, and unpacked file by file."""

import hashlib
import os
import secrets
import tempfile
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

from entrypoint.log import LOG
from entrypoint.results.journal import JOURNAL
from entrypoint.results.paths import parts_of
from entrypoint.results.runfolder import output_errors, write_all
from entrypoint.results.runstatus import STATUS
from entrypoint.sources.archives.member import ArchiveError
from entrypoint.sources.archives.tarwalk import members
from entrypoint.sources.archives.unpacking import MAGIC, Plain, Source, Unpacked
from entrypoint.sources.extent import opened
from entrypoint.text import printable
from entrypoint.values import Failure

SUFFIXES = (".tar.gz", ".tgz", ".tar")
_CHUNK = 1 << 20
_MOST_STATUS_BYTES = 64 << 20  # of all parts in an archive
_MAGIC_BYTES = 8

Wanted = Callable[[str, str], bool]
"""Whether a file is to be unpacked, by the folder of its part and its path in there."""


class Spool:
    """A temporary file for the journals of archives, for as long as somebody holds this."""

    def __init__(self) -> None:
        self.file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        weakref.finalize(self, self.file.close)


class PackedParts:
    """A tar archive, compressed or not, with any number of parts in it. Its entries are checked as strangers' are.

    Links, devices and entries whose names lead out of the archive are passed over, and what unpacks to far more than
    results do is read no further.
    """

    def __init__(self, path: Path, spool: Spool) -> None:
        """Read it once, to its end or to where it is damaged. Journals are copied to `spool`, at its end."""
        self.path = path
        self.statuses: dict[str, bytes] = {}
        """What stands in each status.json, by the folder that it lies in; the archive's own top is the empty one."""
        self.fault: str | None = None
        """Why it could not be read to its end."""
        self._spool, self._journals = spool, dict[str, tuple[int, int]]()
        self._key, self._scratch = secrets.token_bytes(16), Path()
        left = _MOST_STATUS_BYTES
        for name, size, source in self._files():
            folder, _, last = name.rpartition("/")
            if last == STATUS and size <= left:
                left -= size
                self.statuses[folder] = source.read(size)
            elif last == JOURNAL:
                start = spool.file.seek(0, os.SEEK_END)
                _copy(source, size, spool.file.write)
                self._journals[folder] = (start, spool.file.tell() - start)

    def journal(self, folder: str) -> int:
        """The journal of the part in a folder, in a file of its own that is open, the caller's to close."""
        if folder not in self._journals:
            raise FileNotFoundError(2, "No such file", JOURNAL)
        start, size = self._journals[folder]
        self._spool.file.seek(start)
        with tempfile.TemporaryFile() as file:
            while size and (chunk := self._spool.file.read(min(size, _CHUNK))):
                file.write(chunk)
                size -= len(chunk)
            file.flush()
            return os.dup(file.fileno())

    def unpack(self, scratch: Path, wanted: Wanted) -> None:
        """Have files of parts ready to be opened, in the folder `scratch`. Raises OutputError."""
        self._scratch = scratch
        for name, size, source in self._files():
            found = self._part_of(name)
            if found is None or not wanted(*found):
                continue
            with output_errors(scratch), suppress(FileExistsError):
                self._unpack_one(self._place(*found), size, source)

    def open(self, folder: str, path: str) -> int:
        """A file that was unpacked, open for reading. Raises OSError."""
        return os.open(self._place(folder, path), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)

    def _unpack_one(self, place: str, size: int, source: Source) -> None:
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            os.fchmod(descriptor, 0o644)
            whole = _copy(source, size, lambda chunk: write_all(descriptor, memoryview(chunk)))
        finally:
            os.close(descriptor)
        if not whole:
            os.unlink(place)  # noqa: PTH108

    def _place(self, folder: str, path: str) -> str:
        encoded = f"{folder}\0{path}".encode("utf-8", "surrogateescape")
        name = hashlib.blake2b(encoded, digest_size=8, key=self._key).hexdigest()
        return f"{self._scratch}/{name}"

    def _part_of(self, name: str) -> tuple[str, str] | None:
        """The folder of the outermost part that a file lies in, and its path in there."""
        if "" in self.statuses:
            return "", name
        at = name.find("/")
        while at >= 0:
            if name[:at] in self.statuses:
                return name[:at], name[at + 1 :]
            at = name.find("/", at + 1)
        return None

    def _files(self) -> Iterator[tuple[str, int, Source]]:
        """Every file with its name and size; its bytes are the next of the source."""
        passed_over = 0
        with opened(str(self.path)) as found:
            if isinstance(found, Failure):
                self.fault = found.detail
                return
            with os.fdopen(os.dup(found.descriptor), "rb") as file:
                head = file.read(_MAGIC_BYTES)
                file.seek(0)
                source: Source = Unpacked(file, head) if head.startswith(MAGIC) else Plain(file)
                try:
                    for one in members(source):
                        name = None if one.member.failure else _inside(one.member.name)
                        if name is None:
                            passed_over += 1
                        else:
                            yield name, one.member.size, source
                except ArchiveError as error:
                    self.fault = str(error)
                except (OSError, MemoryError) as error:
                    self.fault = printable(error)
        if passed_over:
            LOG.warning("%s: %d links or names that lead out of it are passed over", printable(self.path), passed_over)


def _inside(name: str) -> str | None:
    """The name of an entry below the archive's top; None for one that leads elsewhere."""
    name = name.removeprefix("./")
    try:
        parts_of(name)
    except ValueError:
        return None
    return name


def _copy(source: Source, size: int, write: Callable[[bytes], object]) -> bool:
    """Hand on the next bytes of an archive; gives whether there were so many."""
    try:
        while size and (chunk := source.read(min(size, _CHUNK))):
            write(chunk)
            size -= len(chunk)
    except ArchiveError:  # which shows again, and is told, when the next entry is looked for
        return False
    return not size
