"""The records of a run on disk, one file an input: the truth that everything else is made from."""

import json
from collections.abc import Iterable, Iterator

from entrypoint.media.scan import Medium
from entrypoint.records import Record
from entrypoint.runfolder import RunFolder


class RecordStore:
    """labels/<path>.json. A record is written last of all an input's files, so one that is there vouches for them."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder

    def save(self, record: Record) -> None:
        """Write a record, on one line. Raises OutputError."""
        line = json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n"
        self._folder.write(self._folder.file("labels", record["file"], ".json"), line.encode())

    def load(self, file: str) -> Record | None:
        """The record of an input, None where there is none that can be used."""
        try:
            record = json.loads(self._folder.file("labels", file, ".json").read_bytes())
        except (OSError, ValueError):
            return None
        return record if isinstance(record, dict) and record.get("file") == file else None

    def of(self, media: Iterable[Medium]) -> Iterator[Record]:
        """The records of all these media, in their order, one in memory at a time."""
        for medium in media:
            record = self.load(medium.file)
            if record is None:
                raise RuntimeError(f"{medium.file} has no record")
            yield record
