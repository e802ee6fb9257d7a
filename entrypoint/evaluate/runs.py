"""Runs as the commands here read them: what status.json says, and all records."""

import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from entrypoint.errors import OutputError, SourceError
from entrypoint.log import LOG
from entrypoint.results.journal import JOURNAL
from entrypoint.results.journalentry import Entry
from entrypoint.results.runstatus import STATUS, RunStatus
from entrypoint.results.settling import whole
from entrypoint.shards.parts import Part
from entrypoint.text import printable
from entrypoint.values import Record


def read_run(folder: Path) -> tuple[RunStatus, list[Record]]:
    """The status of a run and its records, sorted by file. Raises SourceError where there is none.

    A video whose detections cannot all be read back is a failed input, and that is logged.
    """
    try:
        part = Part.read(folder)
        found: dict[str, Record] = {}
        for line, file, said in part.entries():
            if isinstance(said, Entry):
                found[file] = said.stored(part.files.open).record
            elif said is None:
                found.pop(file, None)
            else:
                LOG.warning("%s, line %d, is not a whole record: %s; left out", JOURNAL, line, said)
    except (OSError, ValueError) as error:
        raise SourceError(
            f"{printable(folder)} holds no run ({error}); expected a folder that yolo-bac left, with its {STATUS}"
        ) from error
    return part.status, [_read_back(found[file], folder, part.names) for file in sorted(found)]


def _read_back(record: Record, folder: Path, names: Sequence[str]) -> Record:
    now = whole(record, names)
    if now.failure != record.failure:
        LOG.warning("%s: the results of %s are lost: %s", printable(folder), record.file, now.failure)
    return now


def write_page(path: Path, data: bytes, mark: bytes) -> None:
    """Write a file in one step. One that is there is replaced if `mark` is in it, as in all that this program wrote.

    Raises OutputError.
    """
    try:
        if path.exists() and mark not in path.read_bytes():
            raise OutputError(f"{printable(path)} is there and not this program's: move it away, or choose --out")
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{secrets.token_hex(8)}")
        temporary.write_bytes(data)
        os.replace(temporary, path)  # noqa: PTH105
    except OSError as error:
        raise OutputError(
            f"cannot write {printable(path)}: {error.strerror}; choose another folder with --out"
        ) from error
