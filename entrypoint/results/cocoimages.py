"""What is an image to COCO: a still, or one frame of a video."""

from collections.abc import Collection, Iterator
from typing import Any

from entrypoint.results.framerecords import frames_of
from entrypoint.results.paths import frame_name
from entrypoint.values import Detection, Record


def images_of(record: Record) -> Iterator[tuple[dict[str, Any], Collection[Detection]]]:
    """The images that a record is of, as coco.json names them, and what was found in each; none of one that failed."""
    if record.video is None and record.detections is not None:
        yield {"file_name": record.file, **_captured(record)}, record.detections
    for number, frame in frames_of(record):
        name = f"{frame_name(record.file, number)}.jpg"
        yield {"file_name": name, "video": record.file, "frame": frame.index, "time": frame.time}, frame.detections


def _captured(record: Record) -> dict[str, str]:
    """When an image was taken, as COCO writes it, where that is known."""
    taken = record.exif and record.exif.datetime
    return {"date_captured": taken.replace(":", "-", 2)} if taken else {}
