"""What a run has begun to write and no record vouches for yet.

A line goes to a file in the run's scratch folder before a result appears, so that after a kill the next attempt knows
what is the run's own. Once an input has its record, the record names its files, and the line is no longer needed.
"""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from entrypoint.errors import YoloBacError
from entrypoint.results.paths import parts_of

SCRATCH, DOOMED = ".partial", ".partial.removed"
"""A run's folder for what is no result, and its name when the run ends and it is about to go."""
BEGUN = "begun"
RESERVE = "reserve"
"""Room that is kept for a run's last word in status.json."""
_MOST_LINES = 10_000
_DATABASES = ("merge.sqlite", "previous.sqlite")

Begun = tuple[str, str]
"""An input, and the path of one of its results; the input is empty for what belongs to the run as a whole."""


class ClosedError(YoloBacError):
    """The run is being stopped: nothing may be added any more."""

    def __init__(self) -> None:
        super().__init__("the run is being stopped")


class Ledger:
    """Several threads may use it. Raises OSError where the file cannot be written."""

    def __init__(self, path: Path) -> None:
        """The file at `path` is continued where it is there already."""
        self._path, self._lock = path, threading.Lock()
        self.earlier = read_begun(path)
        """What an earlier attempt had begun; all of it that was never recorded is still to be dealt with."""
        self._underway: dict[str, list[str]] = {}
        self._lines, self._closed = len(self.earlier), False
        self._descriptor = _opened(path)

    def add(self, file: str, path: str) -> None:
        """A result of the input `file` is about to appear at `path`."""
        with self._lock:
            if self._closed:
                raise ClosedError
            self._underway.setdefault(file, []).append(path)
            self._lines += 1
            os.write(self._descriptor, _line(file, path, True))
            if self._lines > _MOST_LINES and not self.earlier:
                self._rewrite()

    def retract(self, file: str, path: str) -> None:
        """It did not appear: what is there is somebody else's."""
        with self._lock:
            if path in (begun := self._underway.get(file, [])):
                begun.remove(path)
            os.write(self._descriptor, _line(file, path, False))

    def of(self, file: str) -> tuple[str, ...]:
        """The results of an input that have appeared since it was last recorded."""
        with self._lock:
            return tuple(self._underway.get(file, ()))

    def take(self, file: str) -> tuple[str, ...]:
        """The same, and they are the caller's to remove now."""
        with self._lock:
            return tuple(self._underway.pop(file, ()))

    @contextmanager
    def recording(self, file: str) -> Iterator[tuple[str, ...]]:
        """Around the moment in which an input's record becomes known, and names the results that this gives."""
        with self._lock:
            if self._closed:
                raise ClosedError
            yield tuple(self._underway.get(file, ()))
            self._underway.pop(file, None)

    def settle_earlier(self) -> None:
        """What an earlier attempt had begun is dealt with."""
        with self._lock:
            self.earlier = []
            self._rewrite()

    def close(self) -> dict[str, list[str]]:
        """From now on nothing is added. Gives what no record vouches for, by input."""
        with self._lock:
            if not self._closed:
                self._closed = True
                os.close(self._descriptor)
            return self._underway

    def _rewrite(self) -> None:
        """Only what is still under way, in a new file in the old one's place."""
        fresh = self._path.with_name(f"{self._path.name}.new")
        lines = [_line(file, path, True) for file, paths in self._underway.items() for path in paths]
        fresh.write_bytes(b"".join(lines))
        fresh.replace(self._path)
        os.close(self._descriptor)
        self._descriptor, self._lines = _opened(self._path), len(lines)


def _opened(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)


def _line(file: str, path: str, begun: bool) -> bytes:
    return json.dumps([file, path, begun]).encode() + b"\n"


def read_begun(path: Path) -> list[Begun]:
    """What a file says has begun, a torn or damaged line left out; nothing where there is none."""
    found: dict[Begun, None] = {}
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return []
    for line in lines:
        try:
            file, result, begun = json.loads(line)
            parts_of(result.removesuffix("/"))
        except (ValueError, TypeError, AttributeError, RecursionError):
            continue
        if begun:
            found[file, result] = None
        else:
            found.pop((file, result), None)
    return list(found)


def empty_scratch(run: Path, but: str = "") -> None:
    """Remove what a run puts into its scratch folders, all `but` this, and the empty ones. Raises OSError."""
    for name in (SCRATCH, DOOMED):
        folder = run / name
        if folder.is_dir() and not folder.is_symlink():
            _empty(folder, but)


def _empty(folder: Path, but: str) -> None:
    """Remove a run's own files from a scratch folder, and the folder: again where a thread was about to make one."""
    while True:
        for entry in _own_files(folder, but):
            entry.unlink(missing_ok=True)
        with suppress(OSError):
            folder.rmdir()
            return
        if not _own_files(folder, but):
            return


def _own_files(folder: Path, but: str) -> list[Path]:
    return [entry for entry in folder.iterdir() if entry.name != but and _is_scratch(entry)]


def _is_scratch(entry: Path) -> bool:
    name = entry.name
    is_named = name.startswith((BEGUN, RESERVE, *_DATABASES)) or (
        len(name) == 16 and not set(name) - set("0123456789abcdef")
    )
    return is_named and entry.is_file() and not entry.is_symlink()
