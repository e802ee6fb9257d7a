"""predictions.csv: a row a detection, for --save-csv."""

import csv
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from entrypoint.results.formats.base import RunFormat
from entrypoint.values import Record


class Csv(RunFormat):
    """detect.py's three columns and the box."""

    name = "csv"
    option = "--save-csv"
    help = "predictions.csv: a row a detection, with detect.py's columns and the box."
    file = "predictions.csv"

    @contextmanager
    def writing(self, file: IO[bytes], info: dict[str, Any], scratch: Path) -> Iterator[Callable[[Record], None]]:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(["Image Name", "Prediction", "Confidence", "x1", "y1", "x2", "y2"])

        def take(record: Record) -> None:
            for found in record.detections or ():
                rows.writerow([record.file, found.name, found.confidence, *found.box])

        yield take
        text.flush()
        text.detach()
