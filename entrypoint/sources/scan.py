"""What a source holds: a file, a folder, an archive, a glob or a text file of paths, to a sorted list of media.

Nothing is decoded here. What cannot be an input (a dangling link, a loop of links) is listed with its failure, so
that it still gets a record. Hidden files, files that are no media by suffix or content, and results of this program's
own runs are counted as ignored. Whatever the source, a name stays below the folder that it is relative to.
"""

import glob
import os
from collections.abc import Callable, Iterator

from entrypoint.errors import SourceError
from entrypoint.host.shortage import raise_if_out_of_files
from entrypoint.sources import globbing, kinds
from entrypoint.sources.archives.opening import hides_zip, is_named_archive
from entrypoint.sources.faults import failure_of, read_failure
from entrypoint.sources.filetype import identify_head
from entrypoint.sources.kinds.still import Still
from entrypoint.sources.listing import Clash, Listing
from entrypoint.sources.medium import ReadOptions
from entrypoint.sources.origin import Kind
from entrypoint.sources.suffixes import IMAGE_SUFFIXES, suffix
from entrypoint.sources.walk import OWN_RESULT, Walk, link_failure, read_head
from entrypoint.text import printable
from entrypoint.values import Failure

_WHITE_SPACE = " \t\r\n\v\f"  # less than what Unicode calls so: names may end in that


def scan(
    source: str,
    is_results: Callable[[str], bool] = lambda folder: False,
    clash: Clash = lambda file, other: False,
    options: ReadOptions | None = None,
) -> Listing:
    """List the media of `source`; those below folders that hold results of runs, by `is_results`, are ignored.

    The folder that the source itself names is not asked about: who names one wants it read. `clash` tells whether
    results of an input would be in the way of another's: one of the two gets another name. Raises SourceError when the
    source does not exist or cannot be listed.
    """
    search = _Search(is_results)
    try:
        if os.path.isdir(source):  # noqa: PTH112 - False, not an error, for a name that is too long
            search.folder(source)
        elif os.path.exists(source):  # noqa: PTH110
            search.single(source)
        elif "://" in source or source.isdigit():
            raise SourceError(
                f"source {source!r}: streams and cameras are not read, and nothing is downloaded; expected a file, a "
                "folder or a glob"
            )
        elif glob.has_magic(source):
            search.glob(source)
        else:
            where = "is a link to nothing" if os.path.islink(source) else "does not exist"  # noqa: PTH114
            raise SourceError(f"source {source!r} {where}; expected a file, a folder, a glob or a text file of paths")
    except OSError as error:
        raise_if_out_of_files(error)
        raise SourceError(f"source {source!r} cannot be listed: {error.strerror}") from error
    return search.found.listing(clash, options or ReadOptions())


class _Search(Walk):
    """The ways in which a source can name its media."""

    def __init__(self, is_results: Callable[[str], bool]) -> None:
        super().__init__(is_results)
        self._within: dict[str, bool] = {}

    def single(self, path: str) -> None:
        """A file named by the user: an image whatever it is called, or a text file of paths."""
        head = read_head(path)
        if head and _is_list(path, head):
            self._listed(path)
        else:
            self._named(path, printable(os.path.basename(path)), head)  # noqa: PTH119

    def glob(self, pattern: str) -> None:
        """Files that match; their names are relative to the last folder before the first wildcard."""
        base = os.path.abspath(globbing.fixed_part(pattern))  # noqa: PTH100
        for match in globbing.matches(pattern):
            self.tell()
            if os.path.isdir(match):  # noqa: PTH112
                continue
            if self._is_result(match, base):
                self.found.ignored[OWN_RESULT] += 1
            else:
                self.file(match, _name_below(base, match), check_link=True)

    def _listed(self, listing: str) -> None:
        """The lines of a text file: files, or folders with all below them, relative to the folder it lies in."""
        base = os.path.dirname(os.path.abspath(listing))  # noqa: PTH100, PTH120
        with open(listing, encoding="utf-8-sig", errors="surrogateescape") as lines:  # noqa: PTH123
            for line in lines:
                self.tell()
                if entry := line.strip(_WHITE_SPACE):
                    self._entry(_settled(os.path.join(base, entry)), base, os.path.basename(listing))  # noqa: PTH118, PTH119

    def _entry(self, path: str, base: str, listing: str) -> None:
        file = _name_below(base, path)
        is_folder = os.path.isdir(path)  # noqa: PTH112
        if "\0" in path:
            failure = Failure("missing", f"listed in {printable(listing)}, but no file has such a name")
            self.found.add(file, path, failure=failure)
        elif self._is_result(path, base) or (is_folder and path != base and self.is_results(path)):
            self.found.ignored[OWN_RESULT] += 1
        elif is_folder:
            try:
                self.folder(path, file)
            except OSError as error:
                failure = read_failure(error, "the folder cannot be listed")
                self.found.add(file or ".", path, failure=failure)
        elif not os.path.lexists(path):
            self.found.add(
                file, path, failure=Failure("missing", f"listed in {printable(listing)}, but does not exist")
            )
        else:
            self._named(path, file, read_head(path), link_failure(path))

    def _named(self, path: str, file: str, head: bytes | None, failure: Failure | None = None) -> None:
        """Collect a file that is named itself, and not found in a folder."""
        try:
            if failure or head is None or not self.archive(path, file, head):
                self.found.add(file, path, _named_kind(path, head), failure)
        except Exception as error:  # noqa: BLE001 - whatever a library raises about one file
            self.found.add(file, path, failure=failure_of(error, file, "tell what it is"))

    def _is_result(self, path: str, base: str) -> bool:
        """Whether a file or folder lies in results of a run, by the folders above it, those below `base` only.

        Where it lies elsewhere, all folders above it count.
        """
        if path == base:
            return False
        return any(self._holds_results(folder) for folder in _folders_above(os.path.abspath(path), base))  # noqa: PTH100

    def _holds_results(self, folder: str) -> bool:
        if folder not in self._within:
            self._within[folder] = self.is_results(folder)
        return self._within[folder]


def _is_list(path: str, head: bytes) -> bool:
    """Return whether a file is a text file of paths, by its content, unless its name calls it something else."""
    if identify_head(head).name != "plain text" or suffix(path) in IMAGE_SUFFIXES:
        return False
    return not is_named_archive(path) and not hides_zip(path, head)


def _folders_above(path: str, base: str) -> Iterator[str]:
    while (folder := os.path.dirname(path)) not in (path, base):  # noqa: PTH120
        yield folder
        path = folder


def _settled(path: str) -> str:
    """The path without `.` and `..`, unless one of its links makes that another file."""
    plain = os.path.normpath(path)
    try:
        if ".." in path.split("/") and not os.path.samefile(path, plain):  # noqa: PTH121
            return path
    except (OSError, ValueError):  # it does not exist, or cannot
        pass
    return plain


def _name_below(base: str, path: str) -> str:
    """A file's name relative to the folder `base`, an absolute path; of a file elsewhere, its own absolute path."""
    plain = os.path.abspath(path)  # noqa: PTH100
    above = base if base.endswith("/") else f"{base}/"
    if plain == base:
        return ""
    return printable(plain.removeprefix(above).lstrip("/")).replace("\0", "\\x00")


def _named_kind(path: str, head: bytes | None) -> Kind | None:
    """The kind of a file that is named itself, and not found in a folder: by its content, whatever its name."""
    if head is None:
        return Still  # which says why it cannot be read
    kind, by_suffix = kinds.by_content(head), kinds.by_suffix(suffix(path))
    return None if kind is by_suffix else kind or by_suffix
