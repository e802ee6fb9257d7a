"""Where results go: the only place that makes their paths, none of which leads out of the run folder."""

import hashlib
import unicodedata
from collections.abc import Iterable

from entrypoint.values import NO_PARTS

_NAME_MAX = 255
_DIGEST = 16


def result_path(folder: str, file: str, suffix: str = "") -> str:
    """`<folder>/<file><suffix>`, relative to the run folder: the source's tree, mirrored below `folder`.

    Whatever `file` says, the path stays below `folder`: a part that would lead elsewhere becomes a hash, and one too
    long for a file system ends in one.
    """
    return "/".join([folder, *(_fitting(part, suffix) for part in f"{file}{suffix}".split("/"))])


def frame_name(file: str, number: int) -> str:
    """What results of a frame of the video `file` are named by, as detect.py does, but in a folder of the video's own.

    `number`: its place among the frames that were looked at, from 1.
    """
    stem = file.rpartition("/")[2].rpartition(".")[0] or file.rpartition("/")[2]
    return f"{file}/{stem}_{number}"


def hashed_path(folder: str, file: str, suffix: str) -> str:
    """Where a result goes whose plain name may be that of another input's: a hash stands before its suffix."""
    return result_path(folder, f"{file}~{_digest(file)}", suffix)


def twin_path(path: str) -> str:
    """Another name for a result path, where the file system would take it for one that differs in case only."""
    folder, slash, name = path.rpartition("/")
    stem, dot, suffix = name.rpartition(".") if "." in name else (name, "", "")
    kept = stem.encode()[: _NAME_MAX - _DIGEST - 2 - len(suffix.encode())].decode("utf-8", "ignore")
    return f"{folder}{slash}{kept}~{_digest(path)}{dot}{suffix}"


def twins(files: Iterable[str]) -> frozenset[str]:
    """Of files, sorted by name, those that a file system which does not tell case takes for one before them."""
    seen: set[int] = set()
    found = set()
    for file in files:
        key = hash(unicodedata.normalize("NFC", file).casefold())
        if key in seen:
            found.add(file)
        seen.add(key)
    return frozenset(found)


def parts_of(path: str) -> list[str]:
    """The parts of a path below the run folder. Raises ValueError for one that is not below it."""
    parts = path.split("/")
    if "\0" in path or not NO_PARTS.isdisjoint(parts):
        raise ValueError(f"{path!r} does not stay below the run folder")
    return parts


def _fitting(part: str, suffix: str) -> str:
    encoded = part.encode("utf-8", "backslashreplace")
    if part in NO_PARTS or "\0" in part:
        return f"~{_digest(part)}"
    if len(encoded) <= _NAME_MAX:
        return encoded.decode()
    kept = encoded[: _NAME_MAX - 20 - len(suffix)].decode("utf-8", "ignore")
    return f"{kept}~{_digest(part)}{suffix}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:_DIGEST]
