"""What a source holds: a file, a folder, a glob or a text file of paths, to a sorted list of media.

Nothing is decoded here. What cannot be an input (a dangling link, a loop of links) is listed with its failure, so
that it still gets a record. Hidden files, and files that are no media by suffix or content, are counted as ignored.
"""

import glob
import os
import stat
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from entrypoint.errors import SourceError
from entrypoint.sources.filetype import HEAD_BYTES, FileType, identify_head
from entrypoint.text import printable
from entrypoint.values import Failure

IMAGE_SUFFIXES = frozenset(
    (
        ".avif .bmp .dib .dng .exr .gif .hdr .heic .heif .jfif .jp2 .jpe .jpeg .jpg .mpo .pbm .pfm .pgm .pic .png "
        ".pnm .ppm .pxm .ras .sr .tif .tiff .webp"
    ).split()
)
VIDEO_SUFFIXES = frozenset(
    [".asf", ".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ts", ".webm", ".wmv"]
)
# Not opened to see whether they are media after all: what lies beside images in datasets.
_OTHER_SUFFIXES = frozenset(
    (
        ".txt .json .jsonl .xml .csv .tsv .md .yaml .yml .html .py .sh .log .cache .npy .npz .pt .pth .onnx .zip .tar "
        ".gz .tgz .bz2 .xz .zst .7z .rar .parquet .pdf .db .ini .toml"
    ).split()
)
_MAX_NESTED_LINKS = 8
_MAX_TIMES_ENTERED = 16
_VIDEO = Failure("unsupported", "a video; only still images are read")


@dataclass(frozen=True, slots=True)
class Medium:
    """`file`: as records name it, relative to the source root, with `/`; valid Unicode. `path`: where it lies."""

    file: str
    path: Path
    failure: Failure | None = None


@dataclass(slots=True)
class Listing:
    """Media sorted by `file`, each name once; `ignored` counts other files by what they are."""

    media: list[Medium]
    ignored: Counter[str] = field(default_factory=Counter)


def scan(
    source: str,
    is_results: Callable[[str], bool] = lambda folder: False,
    clash: Callable[[str, str], bool] = lambda file, other: False,
) -> Listing:
    """List the media of `source`; folders below it that hold results of earlier runs, by `is_results`, are not entered.

    `clash` tells whether results of one name would be in the way of another's that begins with it.

    Raises SourceError when the source does not exist or cannot be listed.
    """
    scanner = _Scanner(is_results)
    path = Path(source)
    if os.path.isdir(source):  # noqa: PTH112 - False, not an error, for a name that is too long
        found = list(scanner.folder(path))
    elif os.path.exists(source):  # noqa: PTH110
        found = list(scanner.single(path))
    elif "://" in source or source.isdigit():
        raise SourceError(f"source {source!r}: streams and cameras are not read; expected a file, a folder or a glob")
    elif glob.has_magic(source):
        found = list(scanner.glob(source))
    else:
        where = "is a link to nothing" if os.path.islink(source) else "does not exist"  # noqa: PTH114
        raise SourceError(f"source {source!r} {where}; expected a file, a folder, a glob or a text file of paths")
    return Listing(_unique(sorted(found, key=lambda medium: medium.file), clash), scanner.ignored)


def _unique(media: list[Medium], clash: Callable[[str, str], bool]) -> list[Medium]:
    """Each path once; one whose name or results would be in another's way gets a number behind its name."""
    files = [medium.file for medium in media]
    kept: dict[str, Medium] = {}
    for medium in media:
        name, number = medium.file, 1
        while (name in kept and kept[name].path != medium.path) or _is_in_the_way(name, files, clash):
            number += 1
            name = f"{medium.file}~{number}"
        kept.setdefault(name, Medium(name, medium.path, medium.failure))
    return sorted(kept.values(), key=lambda medium: medium.file)


def _is_in_the_way(name: str, files: list[str], clash: Callable[[str, str], bool]) -> bool:
    """Whether results of `name` would be in the way of one of the sorted `files`."""
    for place in range(bisect_right(files, name), len(files)):
        if not files[place].startswith(name):
            return False
        if clash(name, files[place]):
            return True
    return False


def _suffix(path: str) -> str:
    return os.path.splitext(path)[1].lower()  # noqa: PTH122 - a Path for each of a million files costs seconds


class _Scanner:
    def __init__(self, is_results: Callable[[str], bool]) -> None:
        self.ignored: Counter[str] = Counter()
        self._is_results = is_results
        self._entered: Counter[tuple[int, int]] = Counter()

    def folder(self, root: Path) -> Iterator[Medium]:
        try:
            yield from self._walk(str(root), "", (), 0)
        except OSError as error:
            raise SourceError(f"source {str(root)!r} cannot be listed: {error.strerror}") from error

    def single(self, path: Path) -> Iterator[Medium]:
        """A file named by the user: an image whatever it is called, or a text file of paths."""
        kind = _head_type(path)
        if kind is not None and kind.name == "plain text" and _suffix(str(path)) not in IMAGE_SUFFIXES:
            yield from self._listed(path)
        else:
            yield Medium(printable(path.name), path, _VIDEO if _is_video(path, kind) else None)

    def glob(self, pattern: str) -> Iterator[Medium]:
        parts = Path(pattern).parts
        fixed = next(i for i, part in enumerate(parts) if glob.has_magic(part))
        root = Path(*parts[:fixed])
        for match in glob.iglob(pattern, recursive=True):  # noqa: PTH207 - absolute patterns too
            if not Path(match).is_dir():
                yield from self._file(match, printable(os.path.relpath(match, root)), os.path.islink(match))  # noqa: PTH114

    def _listed(self, listing: Path) -> Iterator[Medium]:
        for line in listing.read_bytes().splitlines():
            entry = os.fsdecode(line.strip())
            if not entry:
                continue
            path = Path(os.path.normpath(listing.parent / entry))
            inside = path.is_relative_to(listing.parent)
            file = printable(str(path.relative_to(listing.parent if inside else path.anchor)))
            if os.path.isdir(path):  # noqa: PTH112 - as in scan
                yield from self._walk(str(path), f"{file}/", (), 0)
            elif not os.path.lexists(path):
                yield Medium(file, path, Failure("missing", f"listed in {listing.name}, but does not exist"))
            else:
                yield Medium(file, path, _VIDEO if _is_video(path, _head_type(path)) else _link_failure(str(path)))

    def _walk(self, folder: str, prefix: str, above: tuple[tuple[int, int], ...], links: int) -> Iterator[Medium]:
        here = _identity(Path(folder))
        if above and self._is_results(folder):
            self.ignored["folder of results"] += 1
            return
        self._entered[here] += 1
        with os.scandir(folder) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
        for entry in listed:
            file = prefix + printable(entry.name)
            if entry.name.startswith("."):
                self.ignored["hidden file"] += 1
            elif _is_dir(entry):
                yield from self._enter(entry, file, (*above, here), links + entry.is_symlink())
            else:
                yield from self._file(entry.path, file, entry.is_symlink())

    def _enter(
        self, entry: os.DirEntry[str], file: str, above: tuple[tuple[int, int], ...], links: int
    ) -> Iterator[Medium]:
        path = Path(entry.path)
        try:
            identity = _identity(path)
            if identity in above:
                yield Medium(file, path, Failure("link_loop", "a link to a folder that contains it"))
            elif links > _MAX_NESTED_LINKS:
                yield Medium(file, path, Failure("link_loop", f"below more than {_MAX_NESTED_LINKS} linked folders"))
            elif links and self._entered[identity] >= _MAX_TIMES_ENTERED:
                yield Medium(file, path, Failure("link_loop", f"a folder reached {_MAX_TIMES_ENTERED} times by links"))
            else:
                media = list(self._walk(entry.path, f"{file}/", above, links))
                yield from media
                if not media and _suffix(entry.name) in IMAGE_SUFFIXES:
                    yield Medium(file, path, Failure("not_a_file", "a folder with the name of an image"))
        except OSError as error:
            yield Medium(file, path, Failure("unreadable", f"the folder cannot be listed: {error.strerror}"))

    def _file(self, path: str, file: str, linked: bool) -> Iterator[Medium]:
        suffix = _suffix(path)
        failure = _link_failure(path) if linked else None
        if suffix in IMAGE_SUFFIXES:
            yield Medium(file, Path(path), failure)
        elif suffix in VIDEO_SUFFIXES:
            yield Medium(file, Path(path), failure or _VIDEO)
        elif suffix in _OTHER_SUFFIXES or failure:
            self.ignored[f"{suffix or 'nameless'} file" if not failure else failure.kind] += 1
        else:
            kind = _head_type(Path(path))
            if kind is not None and kind.family in ("image", "video"):
                yield Medium(file, Path(path), _VIDEO if kind.family == "video" else None)
            else:
                self.ignored[kind.name if kind else "unreadable file"] += 1


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _is_dir(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a loop of links that ends nowhere
        return False


def _link_failure(path: str) -> Failure | None:
    """Why a link leads to no file, None for anything else."""
    if not os.path.islink(path):  # noqa: PTH114 - as in _suffix
        return None
    try:
        os.stat(path)  # noqa: PTH116
    except FileNotFoundError:
        return Failure("dangling_link", f"a link to {printable(os.readlink(path))}, which does not exist")  # noqa: PTH115
    except OSError as error:
        return Failure("link_loop", f"a link that leads nowhere: {error.strerror}")
    return None


def _head_type(path: Path) -> FileType | None:
    """The type by the file's first bytes; None for what is no regular file or cannot be read."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return None
        with path.open("rb") as file:
            return identify_head(file.read(HEAD_BYTES))
    except OSError:
        return None


def _is_video(path: Path, kind: FileType | None) -> bool:
    return kind is not None and (
        kind.family == "video" or (kind.family != "image" and _suffix(str(path)) in VIDEO_SUFFIXES)
    )
