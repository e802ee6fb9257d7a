"""The files and folders that a pattern matches, as Python's `glob` finds them, but never round and round by links."""

import fnmatch
import glob
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from entrypoint.host.shortage import raise_if_out_of_files
from entrypoint.sources.linkguard import Identity, LinkGuard, identity

_ALL_BELOW = "**"


def fixed_part(pattern: str) -> str:
    """The last folder before the first wildcard."""
    return str(_split(pattern)[0])


def matches(pattern: str) -> Iterator[str]:
    """All that a pattern matches, some perhaps more than once; `**` stands for a folder and all below it.

    A linked folder is entered for it unless it is one of those that it lies in, as far as links are followed at all.
    """
    folder, parts = _split(pattern)
    yield from _matches(str(folder), parts)


def _split(pattern: str) -> tuple[Path, tuple[str, ...]]:
    parts = Path(pattern).parts
    first = next(place for place, part in enumerate(parts) if glob.has_magic(part))
    return Path(*parts[:first]), parts[first:]


def _matches(path: str, parts: Sequence[str]) -> Iterator[str]:
    if not parts:
        yield path
        return
    part, rest = parts[0], parts[1:]
    if part == _ALL_BELOW:
        while rest and rest[0] == _ALL_BELOW:
            rest = rest[1:]
        for folder in _folders(path):
            yield from _matches(folder, rest or ("*",))
    elif not glob.has_magic(part):
        if os.path.lexists(found := os.path.join(path, part)):  # noqa: PTH118
            yield from _matches(found, rest)
    else:
        fits = re.compile(fnmatch.translate(part)).match
        for entry in _entries(path, hidden=part.startswith(".")):
            if fits(entry.name) and (not rest or _is_dir(entry)):
                yield from _matches(entry.path, rest)


def _folders(path: str) -> Iterator[str]:
    """A folder and all below it."""
    guard = LinkGuard()
    todo: list[tuple[str, tuple[Identity, ...], int]] = [(path, (), 0)]
    while todo:
        folder, above, links = todo.pop()
        try:
            here = identity(folder)
        except OSError:
            continue
        if guard.fault(here, above, links):
            continue
        guard.enter(here)
        yield folder
        inside = (*above, here)
        todo += [(entry.path, inside, links + entry.is_symlink()) for entry in _entries(folder) if _is_dir(entry)]


def _entries(folder: str, *, hidden: bool = False) -> list[os.DirEntry[str]]:
    """What is in a folder, but for hidden files unless they are asked for; nothing where it cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if hidden or not entry.name.startswith(".")]
    except OSError as error:
        raise_if_out_of_files(error)
        return []


def _is_dir(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a loop of links that ends nowhere
        return False
