"""The two tables that `jsonl`, `csv` and `parquet` write: one row for each detection, and one for each input."""

from collections.abc import Iterator

from entrypoint.exif import Exif
from entrypoint.values import Record

DETECTION_COLUMNS = ("file", "index", "class", "name", "confidence", "x1", "y1", "x2", "y2", "frame", "time")
IMAGE_COLUMNS = ("file", "width", "height", "detections", "failure", "datetime", "latitude", "longitude")

Value = str | int | float | None


def detection_rows(record: Record) -> Iterator[tuple[Value, ...]]:
    """A row for each detection of an input, in the order of `DETECTION_COLUMNS`.

    `index` counts from 0 in the order of the record. The box is in pixels of the upright frame. `frame` and `time`
    (seconds) are None for a still.
    """
    for index, found in enumerate(record.detections or ()):
        yield record.file, index, found.class_id, found.name, found.confidence, *found.box, found.frame, found.time


def image_row(record: Record) -> tuple[Value, ...]:
    """The row of an input, in the order of `IMAGE_COLUMNS`; one that failed has a failure and no detections.

    `detections` is how many there are. `datetime`, `latitude` and `longitude` are None where the image does not
    tell them, or `--exif` did not ask for them.
    """
    count = None if record.detections is None else len(record.detections)
    failure = None if record.failure is None else str(record.failure)
    taken = record.exif or Exif()
    return record.file, record.width, record.height, count, failure, taken.datetime, taken.latitude, taken.longitude
