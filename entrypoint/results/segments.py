"""Segments of a video: what is known and written of so many of its frames, so that a kill costs no more than one.

Which frames are in a segment depends on their number alone, so a video that was interrupted is the same in the end.
"""

from dataclasses import asdict, dataclass
from typing import Any, Self

from entrypoint.checks import checked_object, checked_whole
from entrypoint.inputstate import InputState
from entrypoint.jsontext import compact
from entrypoint.results.paths import parts_of, result_path
from entrypoint.sources.look import Look
from entrypoint.sources.position import Position

FRAMES_A_SEGMENT = 512
"""Frames that are looked at and written together."""

SEGMENT_KEY = b', "segment": '
_FOLDER = "segments"
_ANY = 1 << 62


@dataclass(frozen=True, slots=True)
class Segment:
    """One that is whole. `start`: the time of its first frame in the stream's units; `position`: behind its last.

    `width` and `height` are of the upright frames, in pixels; `look` says how they are shown. `files`: all results that
    it left, its own among them: frames' detections and, where they are asked for, annotated and small pictures.
    """

    number: int
    start: int
    position: Position
    width: int
    height: int
    look: Look
    frames: int
    detections: int
    files: tuple[str, ...] = ()

    def to_line(self, file: str, state: InputState | None, files: tuple[str, ...]) -> bytes:
        """A line of the journal, about a segment of the input `file` that left `files`."""
        plain = {
            "start": self.start,
            "position": asdict(self.position),
            "width": self.width,
            "height": self.height,
            "look": self.look.to_json(),
            "frames": self.frames,
            "detections": self.detections,
            "input": None if state is None else asdict(state),
            "files": list(files),
        }
        return line_start(file) + str(self.number).encode() + b", " + compact(plain)[1:] + b"\n"

    @classmethod
    def from_json(cls, value: object) -> tuple[Self, InputState | None]:
        """The segment in a line, and the input that it is of. Raises ValueError."""
        plain = checked_object(value, "segment")
        files, state = plain.get("files"), plain.get("input")
        if not isinstance(files, list) or not all(isinstance(file, str) for file in files):
            raise ValueError("files is not a list of paths")
        for file in files:
            parts_of(file)
        segment = cls(
            _number(plain, "segment"),
            checked_whole(plain.get("start"), "start", -_ANY, _ANY),
            _position(plain.get("position")),
            _number(plain, "width"),
            _number(plain, "height"),
            Look.from_json(plain.get("look")),
            _number(plain, "frames"),
            _number(plain, "detections"),
            tuple(files),
        )
        return segment, None if state is None else InputState.from_json(state)


def line_start(file: str) -> bytes:
    """What the lines of segments of the input `file` begin with in the journal."""
    return compact({"file": file})[:-1] + SEGMENT_KEY


def detections_path(file: str, number: int) -> str:
    """Where the detections of a segment's frames are, a line a frame."""
    return result_path(_FOLDER, f"{file}/{number:05}", ".jsonl")


def pictures_path(file: str, number: int) -> str:
    """Where the annotated pictures of a segment are."""
    return result_path(_FOLDER, f"{file}/{number:05}", ".mp4")


def tiles_path(file: str, number: int) -> str:
    """Where small pictures of a segment's frames are."""
    return result_path(_FOLDER, f"{file}/{number:05}", ".jpg")


def _position(value: object) -> Position:
    plain = checked_object(value, "position")
    pts = plain.get("pts")
    return Position(
        _number(plain, "index"),
        None if pts is None else checked_whole(pts, "pts", -_ANY, _ANY),
        _number(plain, "width"),
        _number(plain, "height"),
    )


def _number(plain: dict[str, Any], name: str) -> int:
    return checked_whole(plain.get(name), name, 0, _ANY)
