"""The values that flow from the detector to the results, and the one place where they become JSON and back.

A `Record` is what is known of one input. `Record.to_json` gives the dictionary that every JSON output holds, and
`Record.from_json` takes one back only after it has checked every value in it: records are read from disk, where a file
may be damaged or made by somebody else.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from entrypoint.checks import checked_number, checked_object, checked_text, checked_whole, shown
from entrypoint.exif import Exif
from entrypoint.jsontext import compact
from entrypoint.videofacts import VideoFacts

# Finer than float32 resolves at a thousand pixels, so rounding hides nothing.
_BOX_DECIMALS, _CONFIDENCE_DECIMALS = 4, 6
_MOST_CLASSES, _MOST_SIDE = 1 << 20, (1 << 31) - 1
_FAILURE = re.compile("([a-z_]+): (.+)", re.DOTALL)
_SHA256 = re.compile("[0-9a-f]{64}")

_NUMBERS = {int, float}
NO_PARTS = frozenset({"", ".", ".."})
"""What a path below a folder does not have between its slashes."""
_DETECTIONS_A_PIECE = 1000

OUT_OF_MEMORY = "out_of_memory"
"""The one kind of Failure that may pass: alone, the same image may fit."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an input has no detections: a short `kind` to count by, and a `detail` for a person."""

    kind: str
    detail: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.detail}"

    @classmethod
    def parse(cls, text: object) -> Self:
        """From `kind: detail`. Raises ValueError."""
        match = _FAILURE.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            raise ValueError(f"failure {shown(text)} is not of the form 'kind: detail'")
        return cls(match[1], match[2])


class ResultError(Exception):
    """What was asked for about one input cannot be written: the input has failed, and the run goes on."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(str(failure))
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Detections:
    """What was found in one frame, by falling confidence.

    `xyxy` (n, 4) float32 pixels of the upright frame; `confidence` (n,) float32 in [0, 1]; `class_id` (n,) int64.
    """

    xyxy: NDArray[np.float32]
    confidence: NDArray[np.float32]
    class_id: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.confidence)

    @classmethod
    def from_rows(cls, rows: NDArray[np.float32], xyxy: NDArray[np.float32]) -> Self:
        """From (n, 6) rows of xyxy, confidence and class, and their boxes in frame pixels."""
        return cls(xyxy, rows[:, 4], rows[:, 5].astype(np.int64))

    def named(self, names: tuple[str, ...], frame: int | None = None, time: float | None = None) -> list["Detection"]:
        """One Detection each, rounded as results show them; `frame` and `time` (seconds) for a frame of a video."""
        boxes = self.xyxy.astype(np.float64).round(_BOX_DECIMALS).tolist()
        confidences = self.confidence.astype(np.float64).round(_CONFIDENCE_DECIMALS).tolist()
        return [
            Detection(names[class_id], class_id, confidence, (box[0], box[1], box[2], box[3]), frame, time)
            for class_id, confidence, box in zip(self.class_id.tolist(), confidences, boxes, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class Detection:
    """One object: `box` is x1, y1, x2, y2 in pixels of the upright frame; `frame` and `time` are a video's alone."""

    name: str
    class_id: int
    confidence: float
    box: tuple[float, float, float, float]
    frame: int | None = None
    time: float | None = None

    def to_json(self) -> dict[str, Any]:
        """As records hold it."""
        x1, y1, x2, y2 = self.box
        plain = {
            "name": self.name,
            "class": self.class_id,
            "confidence": self.confidence,
            "box": {"x1": x1, "y1": y1, "x2": x2, "y2": y2},
        }
        if self.frame is not None:
            plain |= {"frame": self.frame, "time": self.time}
        return plain

    @classmethod
    def from_json(cls, value: object, width: int, height: int) -> Self:
        """Checked against the size of its frame. Raises ValueError."""
        plain = checked_object(value, "detection")
        box = checked_object(plain.get("box"), "box")
        numbers: list[Any] = [box.get("x1"), box.get("y1"), box.get("x2"), box.get("y2"), plain.get("confidence")]
        x1, y1, x2, y2, confidence = numbers
        if not _NUMBERS.issuperset(map(type, numbers)) or not (
            0 <= x1 <= x2 <= width and 0 <= y1 <= y2 <= height and 0 <= confidence <= 1
        ):
            raise _not_a_detection(x1, y1, x2, y2, confidence, width, height)
        name, class_id, frame, time = plain.get("name"), plain.get("class"), plain.get("frame"), plain.get("time")
        return cls(
            name if type(name) is str and name.isascii() else checked_text(name, "name"),
            checked_whole(class_id, "class", 0, _MOST_CLASSES),
            confidence,
            (x1, y1, x2, y2),
            None if frame is None else checked_whole(frame, "frame", 0, 1 << 40),
            None if time is None else checked_number(time, "time"),
        )


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of one input; `schemas/record.schema.json` describes its JSON.

    `file` is its name relative to the source, with `/`. An input that was looked at has a size in pixels of the upright
    frame, and detections by falling confidence (of a video: by frame); one that failed has the failure alone. A video
    of which a part could be read has both: what was found, and what is wrong. The detections of a video may be too many
    to be held: they are read from where they lie whenever they are asked for.
    `sha256` is that of the bytes that were read, in hexadecimal; None where none could be. `exif`: when and where an
    image was taken, None unless that was asked for and the image was looked at.
    """

    file: str
    width: int | None
    height: int | None
    detections: Collection[Detection] | None
    failure: Failure | None = None
    sha256: str | None = None
    video: VideoFacts | None = None
    exif: Exif | None = None
    _text: bytes | None = field(default=None, init=False, repr=False, compare=False)

    @classmethod
    def failed(cls, file: str, failure: Failure, sha256: str | None = None) -> Self:
        """Of an input that could not be looked at."""
        return cls(file, None, None, None, failure, sha256)

    def to_json(self) -> dict[str, Any]:
        """As all JSON outputs hold it."""
        found = self.detections
        return self._to_json(None if found is None else [detection.to_json() for detection in found])

    def read_from(self, text: bytes) -> Self:
        """The same, which was read from `text`, its JSON as `to_text` gives it: it need not be made again."""
        object.__setattr__(self, "_text", text)
        return self

    def to_text(self) -> Iterator[bytes]:
        """The same as text on one line, in pieces, none of which holds many detections."""
        if self._text is not None:
            yield self._text
            return
        if self.detections is None or len(self.detections) <= _DETECTIONS_A_PIECE:
            yield compact(self.to_json())
            return
        # Within a string of JSON's, quotes do not stand alone.
        start, end = compact(self._to_json([])).split(b', "detections": []')
        yield start + b', "detections": ['
        items = iter(self.detections)
        first = True
        while some := [detection.to_json() for detection in islice(items, _DETECTIONS_A_PIECE)]:
            yield (b"" if first else b", ") + compact(some)[1:-1]
            first = False
        yield b"]" + end

    def _to_json(self, detections: list[dict[str, Any]] | None) -> dict[str, Any]:
        plain = {
            "file": self.file,
            "width": self.width,
            "height": self.height,
            "detections": detections,
            "failure": None if self.failure is None else str(self.failure),
            "sha256": self.sha256,
        }
        if self.exif is not None:
            plain |= self.exif.to_json()
        return plain if self.video is None else plain | asdict(self.video)

    @classmethod
    def from_json(cls, value: object) -> Self:
        """The record in a decoded JSON value, each part of it checked. Raises ValueError that says what is wrong."""
        plain = checked_object(value, "record")
        file, sha256 = checked_name(plain.get("file")), _checked_sha256(plain.get("sha256"))
        found, video = plain.get("detections"), VideoFacts.from_json(plain)
        failure = None if plain.get("failure") is None else Failure.parse(plain["failure"])
        if failure and found is None:
            return cls(file, None, None, None, failure, sha256, video)
        if failure and not video:
            raise ValueError("a record with a failure has detections")
        width, height = (checked_whole(plain.get(side), side, 1, _MOST_SIDE) for side in ("width", "height"))
        if not isinstance(found, list):
            raise ValueError(f"detections are {shown(found)}, expected a list")
        detections = tuple(Detection.from_json(one, width, height) for one in found)
        return cls(file, width, height, detections, failure, sha256, video, Exif.from_json(plain))


def _not_a_detection(
    x1: object, y1: object, x2: object, y2: object, confidence: object, width: int, height: int
) -> ValueError:
    """What is wrong with these numbers, at least one of which is."""
    for what, value in (("x1", x1), ("y1", y1), ("x2", x2), ("y2", y2), ("confidence", confidence)):
        try:
            checked_number(value, what)
        except ValueError as error:
            return error
    if not 0 <= checked_number(confidence, "confidence") <= 1:
        return ValueError(f"confidence {confidence} is not from 0 to 1")
    return ValueError(f"box {x1}, {y1}, {x2}, {y2} is not inside an image of {width} × {height}")


def _checked_sha256(value: object) -> str | None:
    if value is None or (isinstance(value, str) and _SHA256.fullmatch(value)):
        return value
    raise ValueError(f"sha256 {shown(value)} is not of 64 hexadecimal digits")


def checked_name(file: object) -> str:
    """The name of an input, which stays below the folder it is relative to. Raises ValueError."""
    name = checked_text(file, "file")
    if "\0" in name or not NO_PARTS.isdisjoint(name.split("/")):
        raise ValueError(f"file {shown(name)} is not a name below the source")
    return name
