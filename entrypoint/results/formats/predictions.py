"""predictions.json and predictions.csv: all records in one file."""

import csv
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from entrypoint.results.formats.base import JsonArray, RunWriter
from entrypoint.settings import Settings
from entrypoint.values import Record, compact


class PredictionsWriter(RunWriter):
    """{"info": …, "categories": {"0": name, …}, "images": [records]}, a record a line."""

    @contextmanager
    def taking(self, info: dict[str, Any]) -> Iterator[Callable[[Record], None]]:
        categories = {str(class_id): name for class_id, name in enumerate(self.names)}
        with self.folder.open(self.folder.path / "predictions.json") as file:
            file.write(b'{"info": ' + compact(info) + b',\n"categories": ' + compact(categories) + b',\n"images": [')
            images = JsonArray(file)
            yield lambda record: images.add([record.to_json()])
            file.write(b"\n]}\n")


class CsvWriter(RunWriter):
    """detect.py's three columns and the box, a row a detection, for --save-csv."""

    @classmethod
    def wanted(cls, settings: Settings) -> bool:
        return settings.save_csv

    @contextmanager
    def taking(self, info: dict[str, Any]) -> Iterator[Callable[[Record], None]]:
        with self.folder.open(self.folder.path / "predictions.csv") as file:
            text = io.TextIOWrapper(file, encoding="utf-8", newline="")
            rows = csv.writer(text, lineterminator="\n")
            rows.writerow(["Image Name", "Prediction", "Confidence", "x1", "y1", "x2", "y2"])

            def take(record: Record) -> None:
                for found in record.detections or ():
                    rows.writerow([record.file, found.name, found.confidence, *found.box])

            yield take
            text.flush()
            text.detach()
