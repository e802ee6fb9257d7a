"""The files below a folder, and what each of them is: a medium, a failure that needs a record, or to be ignored."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from entrypoint import log
from entrypoint.log import LOG
from entrypoint.sources import kinds
from entrypoint.sources.archives.contents import Contents
from entrypoint.sources.archives.opening import hides_zip, is_named_archive, may_be_archive, unreadable
from entrypoint.sources.extent import opened
from entrypoint.sources.faults import failure_of, read_failure
from entrypoint.sources.filetype import HEAD_BYTES, identify, identify_head
from entrypoint.sources.linkguard import Identity, LinkGuard, identity
from entrypoint.sources.listing import Collector
from entrypoint.sources.suffixes import ARCHIVE_SUFFIXES, IMAGE_SUFFIXES, OTHER_SUFFIXES, suffix
from entrypoint.text import printable
from entrypoint.values import Failure

_SILENT_SECONDS = 30.0
OWN_RESULT = "result of a run"
"""What results of this program's runs are counted as among what is ignored."""


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder to enter. `above`: device and inode of the folders it lies in; `links`: how many of them are links."""

    path: str
    file: str
    above: tuple[Identity, ...] = ()
    links: int = 0
    found_before: int | None = None
    """Set when the folder has been read: how many inputs there were before."""


class Walk:
    """Goes through folders and collects what they hold."""

    def __init__(self, is_results: Callable[[str], bool]) -> None:
        """`is_results` tells whether a folder holds results of this program's runs; such a folder is not entered."""
        self.found = Collector()
        self.is_results = is_results
        self._guard = LinkGuard()
        self._said = time.monotonic()

    def folder(self, path: str, file: str = "") -> None:
        """All below the folder at `path`; names begin with `file`. Raises OSError when it cannot be listed.

        Folders below it that cannot be listed are inputs that failed.
        """
        todo = self._read(_Folder(path, file))
        while todo:
            folder = todo.pop()
            if folder.found_before is not None:
                if folder.found_before == self.found.count and suffix(folder.file) in IMAGE_SUFFIXES:
                    failure = Failure("not_a_file", "a folder with the name of an image")
                    self.found.add(folder.file, folder.path, failure=failure)
                continue
            try:
                todo += self._enter(folder)
            except OSError as error:
                failure = read_failure(error, "the folder cannot be listed")
                self.found.add(folder.file, folder.path, failure=failure)

    def file(self, path: str, file: str, check_link: bool) -> None:
        """Collect a file that a folder holds or a pattern matches, if it is a medium."""
        self.tell()
        try:
            self._file(path, file, check_link)
        except Exception as error:  # noqa: BLE001 - whatever a library raises about one file
            self.found.add(file, path, failure=failure_of(error, file, "tell what it is"))

    def _file(self, path: str, file: str, check_link: bool) -> None:
        failure = link_failure(path) if check_link else None
        ending = suffix(path)
        if kinds.by_suffix(ending) or (failure and is_named_archive(path)):
            self.found.add(file, path, failure=failure)
        elif failure:
            self.found.ignored[failure.kind] += 1
        elif is_named_archive(path) or ending in ARCHIVE_SUFFIXES:
            if not self.archive(path, file, read_head(path) or b""):
                self.found.ignored[f"{ending} file"] += 1
        elif ending in OTHER_SUFFIXES:
            self.found.ignored[f"{ending} file"] += 1
        else:
            head = read_head(path)
            if head is not None and (kind := kinds.by_content(head)):
                self.found.add(file, path, kind)
            elif not (head and self.archive(path, file, head)):
                self.found.ignored["unreadable file" if head is None else identify_head(head).name] += 1

    def archive(self, path: str, file: str, head: bytes) -> bool:
        """Collect what an archive holds, or that it cannot be read; `head` is how the file begins.

        Return False for a file that is no archive, and does not call itself one, and for weights of any kind.
        """
        with suppress(OSError):
            if may_be_archive(head) or is_named_archive(path) or hides_zip(path, head):
                if identify(Path(path)).family == "weights":
                    return False
                if Contents(self.found, path, file).collect():
                    return True
        failure = unreadable(path, head)
        if failure:
            self.found.add(file, path, failure=failure)
        return failure is not None

    def tell(self) -> None:
        """Say how many inputs were found, when nothing was said for long."""
        if time.monotonic() - self._said >= _SILENT_SECONDS:
            self._said = time.monotonic()
            LOG.info("listing the source: %d media so far", self.found.count)
            log.release()

    def _enter(self, folder: _Folder) -> list[_Folder]:
        """The folders in this one, the first at the end, and before them this one, to be looked at when they are done.

        Files in it are collected. Raises OSError.
        """
        if fault := self._guard.fault(identity(folder.path), folder.above, folder.links):
            self.found.add(folder.file, folder.path, failure=Failure("link_loop", fault))
            return []
        if self.is_results(folder.path):
            self.found.ignored[OWN_RESULT] += 1
            return []
        before = self.found.count
        inside = self._read(folder)
        return [_Folder(folder.path, folder.file, found_before=before), *inside]

    def _read(self, folder: _Folder) -> list[_Folder]:
        """The folders in this one, the first at the end; files in it are collected as they come."""
        here = identity(folder.path)
        self._guard.enter(here)
        prefix = f"{folder.file}/" if folder.file else ""
        inside = []
        with os.scandir(folder.path) as entries:
            for entry in entries:
                name = entry.name
                file = prefix + (name if name.isascii() else printable(name))
                if name.startswith("."):
                    self.found.ignored["hidden file"] += 1
                elif _is_dir(entry):
                    links = folder.links + entry.is_symlink()
                    inside.append(_Folder(entry.path, file, (*folder.above, here), links))
                else:
                    self.file(entry.path, file, _may_lead_nowhere(entry))
        return sorted(inside, key=lambda found: found.path, reverse=True)


def link_failure(path: str) -> Failure | None:
    """Why a link leads to no file, None where it leads to one or is none."""
    try:
        os.stat(path)  # noqa: PTH116 - a Path for each of a million files costs seconds
    except OSError as error:
        if not os.path.islink(path):  # noqa: PTH114
            return None
        if isinstance(error, FileNotFoundError):
            return Failure("dangling_link", f"a link to {printable(os.readlink(path))}, which does not exist")  # noqa: PTH115
        return Failure("link_loop", f"a link that leads nowhere: {error.strerror}")
    return None


def read_head(path: str) -> bytes | None:
    """Return the first bytes of a file; None if it is no regular file or cannot be read."""
    with opened(path) as file, suppress(OSError):
        return None if isinstance(file, Failure) else os.read(file.descriptor, HEAD_BYTES)
    return None


def _may_lead_nowhere(entry: os.DirEntry[str]) -> bool:
    """Whether an entry that is no folder is a link, but not one to a file; asks the system nothing again."""
    try:
        return entry.is_symlink() and not entry.is_file()
    except OSError:
        return True


def _is_dir(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a loop of links that ends nowhere
        return False
