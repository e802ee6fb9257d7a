"""The records of a run on disk, one file an input: the truth that everything else is made from."""

import json
from pathlib import Path

from entrypoint.results.runfolder import RunFolder
from entrypoint.sources.medium import Medium
from entrypoint.values import Record, compact


class RecordStore:
    """labels/<path>.json. A record is written last of all an input's files, so one that is there vouches for them."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder

    def save(self, record: Record) -> None:
        """Write a record, on one line. Raises OutputError."""
        self._folder.write(self._path(record.file), compact(record.to_json()) + b"\n")

    def load(self, medium: Medium) -> Record | None:
        """The record of an input, None where there is none that can be used, or one older than the input."""
        path = self._path(medium.file)
        try:
            record = Record.from_json(json.loads(path.read_bytes()))
            state = medium.state()
            stale = state is None or state.mtime_ns > path.stat().st_mtime_ns
        except (OSError, ValueError):
            return None
        return record if record.file == medium.file and not stale else None

    def of(self, medium: Medium) -> Record:
        """The record of an input that has one."""
        return Record.from_json(json.loads(self._path(medium.file).read_bytes()))

    def _path(self, file: str) -> Path:
        return self._folder.file("labels", file, ".json")
