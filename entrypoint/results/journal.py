"""records.jsonl: the records of a run, a line each, in the order in which they became known. It is the run's truth.

A line is the record's JSON with two keys more: `input`, what tells that the input is still the one that was looked at,
and `files`, the results it left. Of several lines for one input the last counts; one with `gone` takes the input's
lines back. A line is written in one call, behind the input's files; what a kill leaves half-written is cut off.
"""

import json
import os
import threading
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Self

from entrypoint.checks import checked_object
from entrypoint.results.paths import parts_of
from entrypoint.values import InputState, Record, compact

JOURNAL = "records.jsonl"
_LINES_A_SYNC = 100
_FIRST = b'{"file": "'
_NONE = -1
_READ_BYTES = 4096
_SCAN: Any = json.decoder.scanstring  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Entry:
    """A line: a record, the input it is of (None where there was no file to look at), and its results' paths."""

    record: Record
    state: InputState | None
    files: tuple[str, ...]

    def to_line(self, record: bytes | None = None) -> bytes:
        """The line; `record` is the record's JSON where it is at hand already."""
        record = record or compact(self.record.to_json())
        state = None if self.state is None else asdict(self.state)
        return record[:-1] + b", " + compact({"input": state, "files": list(self.files)})[1:] + b"\n"

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Raises ValueError that says what is wrong."""
        plain = checked_object(value, "record")
        state, files = plain.get("input"), plain.get("files")
        if not isinstance(files, list) or not all(isinstance(file, str) for file in files):
            raise ValueError("files is not a list of paths")
        for file in files:
            parts_of(file)
        return cls(Record.from_json(plain), None if state is None else InputState.from_json(state), tuple(files))


def decoded(line: bytes) -> dict[str, Any]:
    """A line as a JSON object. Raises ValueError."""
    try:
        return checked_object(json.loads(line.decode()), "line")
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def lines(descriptor: int) -> Iterator[tuple[int, bytes]]:
    """All whole lines, each with its offset."""
    offset = 0
    with os.fdopen(os.dup(descriptor), "rb") as file:
        file.seek(0)
        for line in file:
            if not line.endswith(b"\n"):
                return
            yield offset, line
            offset += len(line)


def _gone(file: str) -> bytes:
    return compact({"file": file, "gone": True}) + b"\n"


def name_in(line: bytes) -> str | None:
    """The input that a line is of, None where that cannot be told. Faster than to decode the line."""
    if not line.startswith(_FIRST):
        return None
    start = len(_FIRST)
    try:
        name = line[start : line.index(b'"', start)]
        if b"\\" not in name:
            return name.decode()
        found: str = _SCAN(line.decode(), start)[0]
    except ValueError:
        return None
    return found


def latest(descriptor: int) -> Iterator[Entry]:
    """The entries that count, in the order of the file; eight bytes and a slot of a table are held for each."""
    offsets: dict[int, int] = {}
    for offset, line in lines(descriptor):
        name = name_in(line)
        if name is not None:
            key = hash(name)
            if line == _gone(name):
                offsets.pop(key, None)
            else:
                offsets[key] = offset
    wanted = set(offsets.values())
    for offset, line in lines(descriptor):
        if offset in wanted:
            with suppress(ValueError):
                yield Entry.from_json(decoded(line))


class Journal:
    """Appended to by several threads, read back by the place of an input in the sorted `files`.

    Eight bytes an input are held. Raises OSError.
    """

    def __init__(self, descriptor: int, files: Sequence[str]) -> None:
        """`descriptor`: the file, open to read and to append, this object's to close. A torn last line is cut off."""
        self._descriptor, self._files = descriptor, files
        self._lock = threading.Lock()
        self._offsets = array("q", [_NONE]) * len(files)
        self._end, self._unsynced = 0, 0
        self.unlisted: dict[str, int] = {}
        """Inputs with a record that are not among `files`, and where it is."""
        self._load()

    def append(self, index: int, line: bytes) -> None:
        """The line of an input."""
        with self._lock:
            self._offsets[index] = self._write(line)
            self._unsynced += 1

    def sync(self) -> None:
        """Wait until the disk has all lines, once in a hundred of them."""
        with self._lock:
            due = self._unsynced >= _LINES_A_SYNC
            if due:
                self._unsynced = 0
        if due:
            os.fdatasync(self._descriptor)

    def take_back(self, file: str) -> None:
        """From now on the input `file` has no record."""
        with self._lock:
            self._write(_gone(file))
            index = self.index(file)
            if index is None:
                self.unlisted.pop(file, None)
            else:
                self._offsets[index] = _NONE

    def read(self, index: int) -> Entry | None:
        """The line of an input; None where it has none, or one that is damaged."""
        offset = self._offsets[index]
        return None if offset == _NONE else self.read_at(offset)

    def read_at(self, offset: int) -> Entry | None:
        """The line at an offset, None for one that is damaged."""
        try:
            return Entry.from_json(decoded(self._line(offset)))
        except ValueError:
            return None

    def has(self, index: int) -> bool:
        """Whether an input has a line."""
        return bool(self._offsets[index] != _NONE)

    def index(self, file: str, near: int = 0) -> int | None:
        """The place of an input among `files`, looked for first at `near`; None where it is not among them."""
        if near < len(self._files) and self._files[near] == file:
            return near
        index = bisect_left(self._files, file)
        return index if index < len(self._files) and self._files[index] == file else None

    def close(self) -> None:
        """Once the disk has all of it."""
        os.fdatasync(self._descriptor)
        os.close(self._descriptor)

    def _load(self) -> None:
        near = 0
        for offset, line in lines(self._descriptor):
            self._end = offset + len(line)
            name = name_in(line)
            if name is None:
                continue
            if line == _gone(name):
                offset = _NONE
            index = self.index(name, near)
            if index is not None:
                self._offsets[index], near = offset, index + 1
            elif offset == _NONE:
                self.unlisted.pop(name, None)
            else:
                self.unlisted[name] = offset
        os.ftruncate(self._descriptor, self._end)

    def _write(self, line: bytes) -> int:
        offset, left = self._end, memoryview(line)
        try:
            while left:  # once, unless the disk is full
                left = left[os.write(self._descriptor, left) :]
        except OSError:
            os.ftruncate(self._descriptor, offset)
            raise
        self._end += len(line)
        return offset

    def _line(self, offset: int) -> bytes:
        parts: list[bytes] = []
        while chunk := os.pread(self._descriptor, _READ_BYTES << min(len(parts), 8), offset):
            end = chunk.find(b"\n")
            if end >= 0:
                parts.append(chunk[:end])
                break
            parts.append(chunk)
            offset += len(chunk)
        return b"".join(parts)
