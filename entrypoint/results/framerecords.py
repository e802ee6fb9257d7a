"""What was found in a video, a line for each frame that was looked at, in a file of its own.

An hour of video has more detections than should be held in memory, so its record refers to this file.
"""

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from entrypoint.checks import checked_number, checked_object, checked_whole
from entrypoint.errors import OutputError
from entrypoint.jsontext import compact, decoded
from entrypoint.log import LOG
from entrypoint.results.paths import parts_of
from entrypoint.values import Detection, Record

Opener = Callable[[str], int]
"""Opens a path in a run folder for reading and gives the descriptor. Raises OSError."""

_ANY = 1 << 62


def frames_of(record: Record) -> Iterator[tuple[int, "FrameRecord"]]:
    """The frames of a video that were looked at, each with its number among them, from 1; none of a still."""
    if isinstance(record.detections, StoredDetections):
        yield from enumerate(record.detections.frames(), 1)


@dataclass(frozen=True, slots=True)
class FrameRecord:
    """What was found in a frame: its index counts from 0, its time is in seconds."""

    index: int
    time: float
    detections: Sequence[Detection]

    def to_line(self) -> bytes:
        """As the file holds it. Detections need not tell the frame and the time again."""
        plain = [replace(found, frame=None, time=None).to_json() for found in self.detections]
        return compact({"frame": self.index, "time": self.time, "detections": plain}) + b"\n"

    @classmethod
    def from_line(cls, line: bytes, width: int, height: int) -> Self:
        """Checked against the size of the frame. Raises ValueError."""
        plain = decoded(line)
        index = checked_whole(plain.get("frame"), "frame", 0, _ANY)
        time = checked_number(plain.get("time"), "time")
        found = plain.get("detections")
        if not isinstance(found, list):
            raise ValueError("detections are not a list")
        its = {"frame": index, "time": time}
        detections = [Detection.from_json(checked_object(one, "detection") | its, width, height) for one in found]
        return cls(index, time, detections)


@dataclass(frozen=True, slots=True)
class StoredDetections(Collection[Detection]):
    """The detections of a video, read from their file whenever they are gone through.

    `path` is relative to a run folder, of which `opener` opens files; `width` and `height` are of the frames. A line
    that is damaged is left out, with a warning. Raises OutputError where the file cannot be read.
    """

    path: str
    count: int
    width: int
    height: int
    opener: Opener | None = None

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Detection]:
        for frame in self.frames():
            yield from frame.detections

    def __contains__(self, found: object) -> bool:
        return any(one == found for one in self)

    def frames(self) -> Iterator[FrameRecord]:
        """All frames that were looked at, those without a detection among them."""
        if self.opener is None:
            raise ValueError(f"nothing tells where {self.path} lies")
        try:
            with os.fdopen(self.opener(self.path), "rb") as file:
                for number, line in enumerate(file, 1):
                    try:
                        yield FrameRecord.from_line(line, self.width, self.height)
                    except ValueError as error:
                        LOG.warning("%s, line %d, is not a whole record of a frame: %s", self.path, number, error)
        except OSError as error:
            raise OutputError(f"{self.path} cannot be read back: {error.strerror}") from error

    def to_json(self) -> dict[str, Any]:
        """As the journal refers to them."""
        return {"file": self.path, "count": self.count}

    @classmethod
    def from_json(cls, value: object, width: int, height: int) -> Self:
        """Raises ValueError."""
        plain = checked_object(value, "detections")
        path = plain.get("file")
        if not isinstance(path, str):
            raise ValueError("detections refer to no file")
        parts_of(path)
        return cls(path, checked_whole(plain.get("count"), "count", 0, _ANY), width, height)
