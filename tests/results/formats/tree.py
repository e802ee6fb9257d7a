"""A small run with what formats trip over: spaces, parentheses, other scripts, nothing found, a failed input."""

from pathlib import Path
from typing import Any

from entrypoint.results.formats.base import RunWriter
from entrypoint.results.runfolder import RunFolder
from entrypoint.settings import Settings
from entrypoint.values import Detection, Failure, Record

NAMES = ("person", 'traffic "light" <&>', "дом 狗")
INFO = {
    "program": "yolo-bac",
    "weights": "0" * 64,
    "weights_file": "/inputs/md_v5a.0.0.pt",
    "ended": "2026-01-02 03:04:05",
    "settings": {"conf_thres": 0.25},
}
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
VIDEO = Record(
    "clip.mp4", 320, 240, (found(0, 0.9, (1.0, 2.0, 3.0, 4.0), 0, 0.0), found(0, 0.8, (2.0, 2.0, 4.0, 4.0), 7, 0.28))
)


def write(kind: type[RunWriter], project: Path, *records: Record, **options: Any) -> Path:
    """The run folder in which a writer has written those records, or RECORDS; `options` become attributes of it."""
    folder = RunFolder.claim(project, "exp", {})
    writer = kind(Settings(), folder, NAMES)
    for name, value in options.items():
        setattr(writer, name, value)
    with writer.taking(INFO) as take:
        for record in records or RECORDS:
            take(record)
    folder.close()
    return folder.path


def boxes() -> dict[str, list[tuple[str, Box]]]:
    """Class name and box of each detection, by file; of the stills that were looked at."""
    return {
        record.file: [(one.name, one.box) for one in record.detections]
        for record in RECORDS
        if record.detections is not None
    }
