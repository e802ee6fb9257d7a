"""detections.csv and images.csv: every column there is, beside predictions.csv, which has detect.py's."""

import csv
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

from entrypoint.results.formats.base import RunWriter
from entrypoint.results.formats.tables import DETECTION_COLUMNS, IMAGE_COLUMNS, detection_rows, image_row
from entrypoint.values import Record


class CsvTablesWriter(RunWriter):
    """RFC 4180: lines end in CR LF, a field with a line break is quoted, and an empty field is a value not known."""

    name, level, default = "csv", "run", False
    help = "Also write detections.csv and images.csv, with the box, size and failure of each."
    leaves = ("detections.csv", "images.csv")

    @contextmanager
    def taking(self, info: dict[str, Any]) -> Iterator[Callable[[Record], None]]:
        with self._rows("detections.csv") as detections, self._rows("images.csv") as images:
            detections.writerow(DETECTION_COLUMNS)
            images.writerow(IMAGE_COLUMNS)

            def take(record: Record) -> None:
                detections.writerows(detection_rows(record))
                images.writerow(image_row(record))

            yield take

    @contextmanager
    def _rows(self, name: str) -> Iterator[Any]:
        with self.folder.open(self.folder.path / name) as file, _text(file) as text:
            yield csv.writer(text, lineterminator="\r\n")


@contextmanager
def _text(file: IO[bytes]) -> Iterator[io.TextIOWrapper]:
    """A text file that writes UTF-8 into `file`, which stays open."""
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    try:
        yield text
        text.flush()
    finally:
        text.detach()
