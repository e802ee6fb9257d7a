"""detections.jsonl and images.jsonl: a JSON object on each line, for tools that read line by line."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from entrypoint.results.formats.base import RunWriter
from entrypoint.results.formats.tables import DETECTION_COLUMNS, IMAGE_COLUMNS, detection_rows, image_row
from entrypoint.values import Record, compact


class JsonLinesWriter(RunWriter):
    """The columns of `tables`; `frame` and `time` stand in the lines of videos only."""

    name, level, default = "jsonl", "run", False
    help = "Also write detections.jsonl and images.jsonl: a JSON object on each line."
    leaves = ("detections.jsonl", "images.jsonl")

    @contextmanager
    def taking(self, info: dict[str, Any]) -> Iterator[Callable[[Record], None]]:
        with (
            self.folder.open(self.folder.path / "detections.jsonl") as detections,
            self.folder.open(self.folder.path / "images.jsonl") as images,
        ):

            def take(record: Record) -> None:
                for row in detection_rows(record):
                    # A still's last two columns are None: zip stops before them.
                    columns = DETECTION_COLUMNS if row[-2] is not None else DETECTION_COLUMNS[:-2]
                    detections.write(compact(dict(zip(columns, row, strict=False))) + b"\n")
                images.write(compact(dict(zip(IMAGE_COLUMNS, image_row(record), strict=True))) + b"\n")

            yield take
