"""labels/<path>.json: one record an input."""

from collections.abc import Sequence
from itertools import chain

from entrypoint.results.formats.base import Leave, MediumFormat
from entrypoint.results.paths import result_path
from entrypoint.values import Record


class Json(MediumFormat):
    """The record on one line."""

    name = "json"
    help = "labels/<path>.json: the record of each input."
    default = True
    folder = "labels"

    @classmethod
    def suffixes(cls, file: str) -> Sequence[str]:
        return (".json",)

    def write(self, record: Record, line: bytes, leave: Leave) -> None:
        path = result_path(self.folder, record.file, ".json")
        leave(path, line + b"\n" if line else chain(record.to_text(), (b"\n",)))
