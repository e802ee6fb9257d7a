"""detections.jsonl and images.jsonl: a JSON object on each line, for tools that read line by line."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO

from entrypoint.jsontext import compact
from entrypoint.results.formats.base import RunFilesFormat
from entrypoint.results.formats.tables import DETECTION_COLUMNS, IMAGE_COLUMNS, detection_rows, image_row
from entrypoint.results.runfolder import RunFolder
from entrypoint.results.runstatus import RunStatus
from entrypoint.values import Record


class JsonLines(RunFilesFormat):
    """The columns of `tables`; `frame` and `time` stand in the lines of videos only."""

    name = "jsonl"
    help = "detections.jsonl and images.jsonl: a JSON object on each line."
    files = ("detections.jsonl", "images.jsonl")

    @contextmanager
    def writing_all(
        self, files: Sequence[IO[bytes]], status: RunStatus, folder: RunFolder
    ) -> Iterator[Callable[[Record], None]]:
        detections, images = files

        def take(record: Record) -> None:
            for row in detection_rows(record):
                columns = DETECTION_COLUMNS if row[-2] is not None else DETECTION_COLUMNS[:-2]
                detections.write(compact(dict(zip(columns, row, strict=False))) + b"\n")
            images.write(compact(dict(zip(IMAGE_COLUMNS, image_row(record), strict=True))) + b"\n")

        yield take
