"""predictions.json and predictions.csv: all records in one file."""

import csv
import io
from collections.abc import Iterable
from typing import Any

from entrypoint.records import Record, compact
from entrypoint.settings import Settings
from entrypoint.writers.base import RunWriter


class PredictionsWriter(RunWriter):
    """{"info": …, "categories": {"0": name, …}, "images": [records]}, a record a line."""

    def write(self, records: Iterable[Record], info: dict[str, Any]) -> None:
        categories = {str(class_id): name for class_id, name in enumerate(self.names)}
        with self.folder.open(self.folder.path / "predictions.json") as file:
            file.write(b'{"info": ' + compact(info) + b',\n"categories": ' + compact(categories) + b',\n"images": [')
            for number, record in enumerate(records):
                file.write((b",\n" if number else b"\n") + compact(record))
            file.write(b"\n]}\n")


class CsvWriter(RunWriter):
    """detect.py's three columns and the box, a row a detection, for --save-csv."""

    @classmethod
    def wanted(cls, settings: Settings) -> bool:
        return settings.save_csv

    def write(self, records: Iterable[Record], info: dict[str, Any]) -> None:
        with self.folder.open(self.folder.path / "predictions.csv") as file:
            text = io.TextIOWrapper(file, encoding="utf-8", newline="")
            rows = csv.writer(text, lineterminator="\n")
            rows.writerow(["Image Name", "Prediction", "Confidence", "x1", "y1", "x2", "y2"])
            for record in records:
                for found in record["detections"] or ():
                    rows.writerow([record["file"], found["name"], found["confidence"], *found["box"].values()])
            text.flush()
            text.detach()
