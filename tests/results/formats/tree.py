"""A small run with what formats trip over: spaces, parentheses, other scripts, nothing found, a failed input."""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from entrypoint.results.claim import claim
from entrypoint.results.formats import write_run
from entrypoint.results.formats.base import Format, MediumFormat
from entrypoint.results.framerecords import FrameRecord, StoredDetections
from entrypoint.results.runstatus import RunStatus
from entrypoint.settings import Settings
from entrypoint.values import Detection, Failure, Record
from entrypoint.videofacts import VideoFacts

NAMES = ("person", 'traffic "light" <&>', "дом 狗")
STATUS = RunStatus(
    state="finished",
    exit_code=0,
    message="4 images.",
    identity={"weights": "0" * 64, "settings": {"conf_thres": 0.25}},
    weights={"file": "/inputs/md_v5a.0.0.pt"},
    versions={"yolo-bac": "1"},
    started="2026-01-02T03:00:00+00:00",
    completed="2026-01-02T03:04:05+00:00",
)
Box = tuple[float, float, float, float]


def found(class_id: int, confidence: float, box: Box, frame: int | None = None, time: float | None = None) -> Detection:
    """A detection of the class with that number."""
    return Detection(NAMES[class_id], class_id, confidence, box, frame, time)


RECORDS = (
    Record(
        "a b/x.jpg",
        100,
        333,
        (found(1, 0.926123, (0.0, 91.9731, 15.3912, 120.0)), found(0, 0.3, (20.5, 1.25, 100.0, 333.0))),
    ),
    Record("a b/ü (1).jpg", 640, 480, (found(2, 1.0, (12.3456, 7.8901, 320.5, 239.25)),)),
    Record.failed("broken.jpg", Failure("damaged", "it ends in the middle\r\nof the <data>")),
    Record("x.jpg", 64, 48, ()),
)
FRAMES = (
    FrameRecord(0, 0.0, [found(0, 0.9, (1.0, 2.0, 3.0, 4.0))]),
    FrameRecord(4, 0.16, []),
    FrameRecord(7, 0.28, [found(0, 0.8, (2.0, 2.0, 4.0, 4.0))]),
)


def stored(frames: Sequence[FrameRecord]) -> StoredDetections:
    """What was found in these frames of a video of 320 by 240 pixels, in a file in memory."""

    def open_file(path: str) -> int:
        descriptor = os.memfd_create("frames")
        os.write(descriptor, b"".join(frame.to_line() for frame in frames))
        os.lseek(descriptor, 0, os.SEEK_SET)
        return descriptor

    count = sum(len(frame.detections) for frame in frames)
    return StoredDetections("video-frames/clip.mp4.jsonl", count, 320, 240, open_file)


VIDEO = Record("clip.mp4", 320, 240, stored(FRAMES), video=VideoFacts(25.0, 8, 8, 0.32))


def write(kind: type[Format], project: Path, *records: Record, **settings: Any) -> Path:
    """The run folder in which a format has written those records, or RECORDS, with these settings."""
    folder = claim(project, "exp", {})
    written = records or RECORDS
    one = kind(Settings(**settings), NAMES)
    one.expect([record.file for record in written])
    if isinstance(one, MediumFormat):
        for record in written:
            one.write(record, b"", partial(folder.write, record.file))
            with folder.ledger.recording(record.file):
                pass  # where the journal's line would be written
    write_run([one], folder, written, STATUS)
    folder.close()
    return folder.path


def boxes() -> dict[str, list[tuple[str, Box]]]:
    """Class name and box of each detection, by file; of the stills that were looked at."""
    return {
        record.file: [(one.name, one.box) for one in record.detections]
        for record in RECORDS
        if record.detections is not None
    }
