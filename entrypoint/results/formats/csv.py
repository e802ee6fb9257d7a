"""predictions.csv as detect.py writes it, with the box, and the two tables as CSV, for --save-csv."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import IO, Any

from entrypoint.results.formats.base import RunFilesFormat
from entrypoint.results.formats.tables import DETECTION_COLUMNS, IMAGE_COLUMNS, detection_rows, image_row
from entrypoint.results.runfolder import RunFolder
from entrypoint.results.runstatus import RunStatus
from entrypoint.values import Record


class Csv(RunFilesFormat):
    """detect.py's three columns and the box in the first file; the two tables follow RFC 4180, lines end in CR LF."""

    name = "csv"
    option = "--save-csv"
    help = "predictions.csv with detect.py's columns and the box; detections.csv and images.csv with all there is."
    files = ("predictions.csv", "detections.csv", "images.csv")

    @contextmanager
    def writing_all(
        self, files: Sequence[IO[bytes]], status: RunStatus, folder: RunFolder
    ) -> Iterator[Callable[[Record], None]]:
        with ExitStack() as stack:
            plain, detections, images = (
                stack.enter_context(_rows(file, end)) for file, end in zip(files, ("\n", "\r\n", "\r\n"), strict=True)
            )
            plain.writerow(["Image Name", "Prediction", "Confidence", "x1", "y1", "x2", "y2"])
            detections.writerow(DETECTION_COLUMNS)
            images.writerow(IMAGE_COLUMNS)

            def take(record: Record) -> None:
                for found in record.detections or ():
                    plain.writerow([record.file, found.name, found.confidence, *found.box])
                detections.writerows(detection_rows(record))
                images.writerow(image_row(record))

            yield take


@dataclass(frozen=True, slots=True)
class _Rows:
    """What csv writes rows into, with CR LF behind each, so that fields with either are quoted."""

    text: io.TextIOWrapper
    end: str

    def write(self, row: str) -> None:
        self.text.write(row.removesuffix("\r\n") + self.end)


@contextmanager
def _rows(file: IO[bytes], end: str) -> Iterator[Any]:
    """What writes rows into `file`, each with that at its end; the file stays open."""
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    try:
        yield csv.writer(_Rows(text, end))
        text.flush()
    finally:
        text.detach()
