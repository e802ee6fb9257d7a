"""predictions.json: all records in one file."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from entrypoint.jsontext import compact
from entrypoint.results.formats.base import JsonArray, RunFormat
from entrypoint.values import Record


class PredictionsJson(RunFormat):
    """{"info": …, "categories": {"0": name, …}, "images": [records]}, a record a line."""

    name = "predictions"
    help = "predictions.json: all records, sorted by file."
    default = True
    file = "predictions.json"

    @contextmanager
    def writing(self, file: IO[bytes], info: dict[str, Any], scratch: Path) -> Iterator[Callable[[Record], None]]:
        categories = {str(class_id): name for class_id, name in enumerate(self.names)}
        file.write(b'{"info": ' + compact(info) + b',\n"categories": ' + compact(categories) + b',\n"images": [')
        images = JsonArray(file)
        yield lambda record: images.add_text(record.to_text())
        file.write(b"\n]}\n")
