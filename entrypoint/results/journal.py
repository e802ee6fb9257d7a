"""records.jsonl: the records of a run, a line each, in the order in which they became known. It is the run's truth.

A line is the record's JSON with three keys more: `input`, what tells that the input is still the one that was looked
at, `files`, the results it left, and `crc32`, the checksum of what stands before it. Of several lines for one input the
last counts; one with `gone` takes the input's lines back. Of a video there are lines about its segments before, for as
long as it has no record. A line is written in one call, behind the input's files; what a kill leaves half-written is
cut off.
"""

import os
import threading
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import suppress

from entrypoint.inputstate import InputState
from entrypoint.jsontext import decoded
from entrypoint.results.framerecords import Opener
from entrypoint.results.journalentry import Done, Entry, glance, record_in, stored
from entrypoint.results.journallines import gone, is_gone, lines, name_in
from entrypoint.results.segments import SEGMENT_KEY, Segment, line_start
from entrypoint.values import Record

JOURNAL = "records.jsonl"
_LINES_A_SYNC = 100
_NONE = -1
_READ_BYTES = 4096


def left_files(descriptor: int) -> Iterator[tuple[str, ...]]:
    """The results that the lines that count vouch for; eight bytes and a slot of a table are held for each input."""
    offsets: dict[int, int] = {}
    of_segments: dict[int, list[int]] = {}
    for offset, line in lines(descriptor):
        name = name_in(line)
        if name is not None:
            key = hash(name)
            if _is_of_segment(line, name):
                of_segments.setdefault(key, []).append(offset)
            elif is_gone(line, name):
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
        try:
            entry = Entry.from_line(self._line(offset))
        except ValueError:
            return None
        return entry.stored(self._opener) if self._opener else entry

    def record(self, index: int) -> Record | None:
        """The record alone in the line of an input; None where there is none, or a damaged one."""
        offset = self._offsets[index]
        try:
            record = None if offset == _NONE else record_in(self._line(offset))
        except ValueError:
            return None
        return record and (stored(record, self._opener) if self._opener else record)

    def glance(self, index: int, state: InputState) -> Done | None:
        """What the line of an input says at a glance; None where `read` has to tell."""
        offset = self._offsets[index]
        return None if offset == _NONE else glance(self._line(offset), state)

    def left(self, index: int) -> tuple[str, ...] | None:
        """The results that the line of an input names, whatever its checksum; None where it cannot be read."""
        try:
            return Entry.from_json(decoded(self._line(self._offsets[index]))).files
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
            if _is_of_segment(line, name):
                self._segments.setdefault(name, []).append(offset)
                continue
            if is_gone(line, name):
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


def _is_of_segment(line: bytes, file: str) -> bool:
    return SEGMENT_KEY in line and line.startswith(line_start(file))
