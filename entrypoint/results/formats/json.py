"""labels/<path>.json: one record an input."""

from collections.abc import Sequence

from entrypoint.results.formats.base import Leave, MediumFormat
from entrypoint.results.paths import result_path
from entrypoint.values import Record


class Json(MediumFormat):
    """The record on one line, as the journal has it."""

    name = "json"
    help = "labels/<path>.json: the record of each input."
    default = True
    folder = "labels"

    @classmethod
    def suffixes(cls, file: str) -> Sequence[str]:
        return (".json",)

    def write(self, record: Record, line: bytes, leave: Leave) -> None:
        leave(result_path(self.folder, record.file, ".json"), line + b"\n")
