"""records.jsonl: the records of a run, a line each, in the order in which they became known. It is the run's truth.

A line is the record's JSON with two keys more: `input`, what tells that the input is still the one that was looked at,
and `files`, the results it left. Of several lines for one input the last counts; one with `gone` takes the input's
lines back. Of a video there are lines about its segments before, for as long as it has no record. A line is written in
one call, behind the input's files; what a kill leaves half-written is cut off.
"""

import os
import threading
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Self

from entrypoint.checks import checked_object, checked_text
from entrypoint.inputstate import InputState
from entrypoint.jsontext import compact, decoded
from entrypoint.results.framerecords import Opener, StoredDetections
from entrypoint.results.journallines import gone, lines, name_in
from entrypoint.results.paths import parts_of
from entrypoint.results.segments import Segment, line_start
from entrypoint.values import Record

JOURNAL = "records.jsonl"
_LINES_A_SYNC = 100
_NONE = -1
_BEHIND_RECORD = b', "input": '  # within a string of JSON's, quotes do not stand alone
_READ_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Entry:
    """A line: a record, the input it is of (None where there was no file to look at), and its results' paths."""

    record: Record
    state: InputState | None
    files: tuple[str, ...]

    def record_text(self) -> bytes:
        """The record's JSON; that of a video refers to the file with its detections."""
        found = self.record.detections
        if isinstance(found, StoredDetections):
            return compact(replace(self.record, detections=()).to_json() | {"detections": found.to_json()})
        return compact(self.record.to_json())

    def to_line(self, record: bytes | None = None) -> bytes:
        """The line; `record` is the record's JSON where it is at hand already."""
        record = record or self.record_text()
        state = None if self.state is None else self.state.to_json()
        return record[:-1] + b", " + compact({"input": state, "files": list(self.files)})[1:] + b"\n"

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Raises ValueError that says what is wrong."""
        plain = checked_object(value, "record")
        state, files = plain.get("input"), plain.get("files")
        if not isinstance(files, list):
            raise ValueError("files is not a list of paths")
        for file in files:
            parts_of(checked_text(file, "files"))
        return cls(_record(plain), None if state is None else InputState.from_json(state), tuple(files))

    def stored(self, opener: Opener) -> Self:
        """The same, where `opener` opens the files of the run folder that detections may lie in."""
        found = self.record.detections
        if not isinstance(found, StoredDetections):
            return self
        return replace(self, record=replace(self.record, detections=replace(found, opener=opener)))


def _record(plain: dict[str, Any]) -> Record:
    if not isinstance(plain.get("detections"), dict):
        return Record.from_json(plain)
    record = Record.from_json(plain | {"detections": []})
    if record.video is None or record.width is None or record.height is None:
        raise ValueError("detections of what is no video lie in a file")
    return replace(record, detections=StoredDetections.from_json(plain["detections"], record.width, record.height))


def left_files(descriptor: int) -> Iterator[tuple[str, ...]]:
    """The results that the lines that count vouch for; eight bytes and a slot of a table are held for each input."""
    offsets: dict[int, int] = {}
    of_segments: dict[int, list[int]] = {}
    for offset, line in lines(descriptor):
        name = name_in(line)
        if name is not None:
            key = hash(name)
            if line.startswith(line_start(name)):
                of_segments.setdefault(key, []).append(offset)
            elif line == gone(name):
                offsets.pop(key, None)
                of_segments.pop(key, None)
            else:
                offsets[key] = offset
    # Those of segments also where there is a record: it may be that their files were about to be removed.
    wanted = {*offsets.values(), *(offset for found in of_segments.values() for offset in found)}
    for offset, line in lines(descriptor):
        if offset in wanted:
            with suppress(ValueError):
                plain = decoded(line)
                yield Segment.from_json(plain)[0].files if "segment" in plain else Entry.from_json(plain).files


class Journal:
    """Appended to by several threads, read back by the place of an input in the sorted `files`.

    Eight bytes an input are held. Raises OSError.
    """

    def __init__(self, descriptor: int, files: Sequence[str], opener: Opener | None = None) -> None:
        """`descriptor`: the file, open to read and to append, this object's to close. A torn last line is cut off.

        `opener` opens files of the run folder, in which detections of videos lie.
        """
        self._descriptor, self._files, self._opener = descriptor, files, opener
        self._lock = threading.Lock()
        self._offsets = array("q", [_NONE]) * len(files)
        self._end, self._unsynced = 0, 0
        self.unlisted: dict[str, int] = {}
        """Inputs with a record that are not among `files`, and where it is."""
        self._segments: dict[str, list[int]] = {}
        self.outdated: dict[str, list[Segment]] = {}
        """Segments of videos that have a record, or are not among `files`: their files are needed no more."""
        self._load()

    def append(self, index: int, line: bytes) -> None:
        """The line of an input."""
        with self._lock:
            self._offsets[index] = self._write(line)
            self._segments.pop(self._files[index], None)
            self._unsynced += 1

    def append_segment(self, file: str, line: bytes) -> None:
        """A line about a segment of the input `file`; the disk has it when this returns."""
        with self._lock:
            self._segments.setdefault(file, []).append(self._write(line))
            self._unsynced = 0
        os.fdatasync(self._descriptor)

    def segments(self, file: str) -> list[tuple[Segment, InputState | None]]:
        """The segments of an input that has no record, in the order of their lines; damaged lines are left out."""
        found = []
        for offset in self._segments.get(file, ()):
            with suppress(ValueError):
                found.append(Segment.from_json(decoded(self._line(offset))))
        return found

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
            self._write(gone(file))
            self._segments.pop(file, None)
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
        line = self._line(offset)
        try:
            entry = Entry.from_json(decoded(line))
        except ValueError:
            return None
        end = line.rfind(_BEHIND_RECORD)
        if end >= 0 and entry.record.video is None:
            entry.record.read_from(line[:end] + b"}")
        return entry.stored(self._opener) if self._opener else entry

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
            if line.startswith(line_start(name)):
                self._segments.setdefault(name, []).append(offset)
                continue
            if line == gone(name):
                offset = _NONE
                self._segments.pop(name, None)
                self.outdated.pop(name, None)
            elif name in self._segments:
                self._outdate(name)
            index = self.index(name, near)
            if index is not None:
                self._offsets[index], near = offset, index + 1
            elif offset == _NONE:
                self.unlisted.pop(name, None)
            else:
                self.unlisted[name] = offset
        os.ftruncate(self._descriptor, self._end)
        for name in [name for name in self._segments if self.index(name) is None]:
            self._outdate(name)

    def _outdate(self, file: str) -> None:
        self.outdated.setdefault(file, []).extend(segment for segment, _ in self.segments(file))
        del self._segments[file]

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
