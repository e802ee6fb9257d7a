"""What an archive has for a run: which of its members are inputs, and what the others are."""

from typing import TYPE_CHECKING

from entrypoint.sources import kinds
from entrypoint.sources.archives.index import ArchiveIndex
from entrypoint.sources.archives.media import ArchiveOrigin
from entrypoint.sources.archives.member import ArchiveError, Listed
from entrypoint.sources.archives.names import Names, is_hidden, safe_name
from entrypoint.sources.archives.opening import open_archive
from entrypoint.sources.faults import failure_of, read_failure
from entrypoint.sources.filetype import HEAD_BYTES, identify_head
from entrypoint.sources.suffixes import OTHER_SUFFIXES, suffix
from entrypoint.values import Failure

if TYPE_CHECKING:
    from entrypoint.sources.listing import Collector

_MOST_FAILED = 10_000  # members that get a record which says why they cannot be read


class Contents:
    """Goes through an archive and adds its members to what a source holds."""

    def __init__(self, found: "Collector", path: str, file: str) -> None:
        """`path`: where the archive lies; `file`: what it is called in the source."""
        self._found, self._path, self._file = found, path, file
        self._names = Names()
        self._count = self._failed = 0

    def collect(self) -> bool:
        """Whether the file is an archive that can be read, or could if it were whole."""
        archive = open_archive(self._path)
        if archive is None:
            return False
        index = ArchiveIndex(archive)
        try:
            for listed in archive.members():
                self._member(listed, index)
        except ArchiveError as error:
            self._fail(error.failure)
        except OSError as error:
            self._fail(read_failure(error))
        except MemoryError:
            self._fail(Failure("unreadable", "no memory left to list what it holds"))
        except Exception as error:  # noqa: BLE001 - whatever a library raises about one archive
            self._fail(failure_of(error, self._file, "list what it holds"))
        if self._failed > _MOST_FAILED:
            self._fail(Failure("unreadable", f"{self._failed - _MOST_FAILED} more of its members cannot be read"))
        if not self._count:
            self._found.ignored["archive without images and videos"] += 1
        return True

    def _member(self, listed: Listed, index: ArchiveIndex) -> None:
        member, name = listed.member, safe_name(listed.member.name)
        ending = suffix(name)
        kind = kinds.by_suffix(ending)
        if is_hidden(name):
            self._found.ignored["hidden file"] += 1
        elif not kind and (member.failure or ending in OTHER_SUFFIXES):
            self._found.ignored[member.failure.kind if member.failure else f"{ending} file"] += 1
        elif member.failure:
            self._failed += 1
            if self._failed <= _MOST_FAILED:
                self._fail(member.failure, f"/{self._names.free(name)}")
        else:
            if not kind:
                head = listed.head(HEAD_BYTES)
                kind = None if isinstance(head, Failure) else kinds.by_content(head)
                if kind is None:
                    what = "unreadable file" if isinstance(head, Failure) else identify_head(head).name
                    self._found.ignored[what] += 1
                    return
            name = self._names.free(name)
            index.add(name, listed.number)
            file = f"{self._file}/{name}"
            if kinds.by_suffix(suffix(name)) is kind:
                kind = None  # else a number behind the name hides it
            base = self._path.removesuffix(self._file)
            self._found.add_from(ArchiveOrigin(base, kind, index, f"{self._file}/"), file)
            self._count += 1

    def _fail(self, failure: Failure, below: str = "") -> None:
        self._found.add(f"{self._file}{below}", f"{self._path}{below}", failure=failure)
        self._count += 1
