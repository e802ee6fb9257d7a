"""The records of a run on disk, one file an input: the truth that everything else is made from."""

import json
from pathlib import Path

from entrypoint.results.runfolder import RunFolder
from entrypoint.values import InputState, Record, compact


class RecordStore:
    """labels/<path>.json. A record is written last of all an input's files, so one that is there vouches for them."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder

    def save(self, record: Record) -> None:
        """Write a record, on one line. Raises OutputError."""
        self._folder.write(self._path(record.file), compact(record.to_json()) + b"\n")

    def load(self, file: str, state: InputState | None) -> Record | None:
        """The record of an input, None where there is none that can be used, or one older than the input."""
        path = self._path(file)
        try:
            record = self.of(file)
            stale = state is None or state.mtime_ns > path.stat().st_mtime_ns
        except (OSError, ValueError):
            return None
        return record if record.file == file and not stale else None

    def of(self, file: str) -> Record:
        """The record of an input that has one."""
        return Record.from_json(json.loads(self._path(file).read_bytes()))

    def _path(self, file: str) -> Path:
        return self._folder.file("labels", file, ".json")
