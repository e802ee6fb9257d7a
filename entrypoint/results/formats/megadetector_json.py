"""megadetector.json: the format 1.6 of MegaDetector's own tools, Timelapse and AddaxAI."""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import PurePath
from typing import IO, Any

import numpy as np

from entrypoint.jsontext import compact
from entrypoint.results.formats.base import JsonArray, RunFilesFormat
from entrypoint.results.framerecords import frames_of
from entrypoint.results.runfolder import RunFolder
from entrypoint.results.runstatus import RunStatus
from entrypoint.sources.suffixes import VIDEO_SUFFIXES, suffix
from entrypoint.values import OUT_OF_MEMORY, Detection, Failure, Record

_BOX_DIGITS, _CONFIDENCE_DIGITS = 4, 3
# What the tools compare with, and so may not say more.
_NOT_READ, _NOT_COMPUTED = "image access failure", "inference failure"
# As its runner has it for a video that failed.
_NO_FRAMES: dict[str, Any] = {"frame_rate": -1.0, "frames_processed": []}
_ITEMS_A_PIECE = 1000
_MEGADETECTOR_5 = re.compile(r"v5[ab]\.0\.[01]")


class MegaDetectorJson(RunFilesFormat):
    """Numbers as its own runner writes them: boxes of whole pixels as fractions of the image, rounded down.

    Inputs are sorted by file, detections by falling confidence, of a video by frame. An input that failed has a failure
    in the tools' words; predictions.json says why. A video of which a part could be read has no failure, for the format
    allows none beside detections: `frames_processed` tells how far it goes.
    """

    name = "megadetector"
    help = "megadetector.json, format 1.6, for Timelapse, AddaxAI and MegaDetector's own tools."
    files = ("megadetector.json",)

    @contextmanager
    def writing_all(
        self, files: Sequence[IO[bytes]], status: RunStatus, folder: RunFolder
    ) -> Iterator[Callable[[Record], None]]:
        (file,) = files
        file.write(b'{"info": ' + compact(_info(status)))
        file.write(b',\n"detection_categories": ' + compact(_categories(self.names)) + b',\n"images": [')
        images = JsonArray(file)
        yield lambda record: images.add_text(_image(record))
        file.write(b"\n]}\n")


def _info(status: RunStatus) -> dict[str, Any]:
    detector = PurePath((status.weights or {}).get("file", "")).name
    version = _MEGADETECTOR_5.search(detector.lower())
    metadata = {
        "megadetector_version": version[0] if version else "unknown",
        "typical_detection_threshold": 0.2,
        "conservative_detection_threshold": 0.05 if version else 0.1,
    }
    # As its runner writes a moment: without a zone.
    completed = (status.completed or status.started).replace("T", " ")[:19]
    return {
        "format_version": "1.6",
        "detector": detector,
        "detection_completion_time": completed,
        "detector_metadata": metadata,
        "yolo_bac": status.info,
    }


def _categories(names: Sequence[str]) -> dict[str, str]:
    return {str(class_id + 1): name if name.strip() else f"class {class_id}" for class_id, name in enumerate(names)}


def _image(record: Record) -> Iterator[bytes]:
    """What the file says of an input, in pieces, none of which holds many detections."""
    if record.detections is None or record.width is None or record.height is None:
        failed = {"file": record.file, "failure": _failure(record.failure), "detections": None}
        yield compact(failed | (_NO_FRAMES if suffix(record.file) in VIDEO_SUFFIXES else {}))
        return
    plain: dict[str, Any] = {"file": record.file, "width": record.width, "height": record.height}
    if record.exif is not None:
        plain["datetime"] = record.exif.datetime
    if record.video is not None:
        plain["frame_rate"] = record.video.fps or _frame_rate(record)
    yield compact(plain)[:-1]
    if record.video is not None:
        yield b', "frames_processed": ['
        yield from _listed(frame.index for _, frame in frames_of(record))
        yield b"]"
    yield b', "detections": ['
    yield from _listed(as_megadetector(found, record.width, record.height) for found in record.detections)
    yield b"]}"


def _listed(items: Iterable[object]) -> Iterator[bytes]:
    """The items of a list as JSON, some at a time."""
    left, first = iter(items), True
    while some := list(islice(left, _ITEMS_A_PIECE)):
        yield (b"" if first else b", ") + compact(some)[1:-1]
        first = False


def _frame_rate(record: Record) -> float:
    """Frames a second of a video that does not tell it: so many that a frame's number by the rate is its time."""
    for _, frame in frames_of(record):
        if frame.index and frame.time > 0:
            return frame.index / frame.time
    return 1.0  # the first frame alone: its time is 0 by any rate


def _failure(failure: Failure | None) -> str:
    return _NOT_COMPUTED if failure and failure.kind in (OUT_OF_MEMORY, "not_done", "inference") else _NOT_READ


def as_megadetector(found: Detection, width: int, height: int) -> dict[str, Any]:
    """A detection in an image of that size, as the format has it."""
    # In single precision up to here, then in double, as the runner does: the last digit depends on it.
    x1, y1, x2, y2 = np.array(found.box, np.float32).round()
    half, across, down = np.float32(2), np.float32(width), np.float32(height)
    centre_x, centre_y = float((x1 + x2) / half / across), float((y1 + y2) / half / down)
    box_width, box_height = float((x2 - x1) / across), float((y2 - y1) / down)
    corner_and_size = (centre_x - box_width / 2, centre_y - box_height / 2, box_width, box_height)
    detection = {
        "category": str(found.class_id + 1),
        "conf": _rounded_down(found.confidence, _CONFIDENCE_DIGITS),
        "bbox": [_rounded_down(value, _BOX_DIGITS) for value in corner_and_size],
    }
    return detection if found.frame is None else detection | {"frame_number": found.frame}


def _rounded_down(value: float, digits: int) -> float:
    scale: int = 10**digits
    return math.floor(value * scale) / scale
