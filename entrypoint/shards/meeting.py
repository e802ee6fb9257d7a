"""The records of all parts, met in a database on disk, so that memory does not grow with their number.

Which of two records for the same input stays depends on the records alone, not on the order of the parts.
"""

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from entrypoint.results.journalentry import Entry
from entrypoint.results.runfolder import output_errors

_COLUMNS = "file TEXT PRIMARY KEY, failed INT, line TEXT, size INT, sha256 TEXT, entry BLOB, part INT"
# Detections before a failure; then whichever text comes first: any rule will do that does not see the parts' order.
_MEET = """
    INSERT INTO records SELECT * FROM part WHERE true ON CONFLICT (file) DO UPDATE
    SET failed = excluded.failed, line = excluded.line, size = excluded.size, sha256 = excluded.sha256,
        entry = excluded.entry, part = excluded.part
    WHERE (excluded.failed, excluded.line) < (failed, line)
"""
_CONTRADICTION = """
    SELECT file, records.part, records.size, part.size, records.sha256, part.sha256
    FROM part JOIN records USING (file)
    WHERE (part.size <> records.size OR part.sha256 <> records.sha256) AND NOT part.failed AND NOT records.failed
    LIMIT 1
"""


@contextmanager
def database_errors(folder: Path) -> Iterator[None]:
    """Raise OutputError where a database in the run folder `folder` has no room left."""
    with output_errors(folder):
        try:
            yield
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
                raise
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error


class Meeting:
    """Entries of parts, by number."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute("PRAGMA journal_mode = OFF")
        for table in ("records", "part"):
            self._database.execute(f"CREATE TABLE {table} ({_COLUMNS}) WITHOUT ROWID")
        self._database.execute("BEGIN")

    def put(self, number: int, file: str, entry: Entry | None) -> None:
        """What the part of that number says of an input, in place of what it said before; None for nothing."""
        if entry is None:
            self._database.execute("DELETE FROM part WHERE file = ?", (file,))
            return
        size = entry.state.size if entry.state else None
        line = entry.record_text().decode()
        sha256 = entry.record.sha256
        row = (file, entry.record.failure is not None, line, size, sha256, entry.to_line(), number)
        self._database.execute("INSERT OR REPLACE INTO part VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def contradiction(self) -> tuple[str, int, str] | None:
        """An input of which two parts have looked at other bytes: its name, the earlier part, and how they differ."""
        found = self._database.execute(_CONTRADICTION).fetchone()
        if found is None:
            return None
        file, number, size, here, sha256, sha256_here = found
        sizes = f"has {size} bytes there, {here} here"
        return file, number, sizes if size != here else f"has sha256 {sha256} there, {sha256_here} here"

    def end_part(self) -> int:
        """Let what a part said meet what is there, and give how many records it had."""
        (records,) = self._database.execute("SELECT count(*) FROM part").fetchone()
        self._database.execute(_MEET)
        self._database.execute("DELETE FROM part")
        return int(records)

    def files(self) -> Iterator[str]:
        """The inputs, sorted as a run sorts them."""
        for (file,) in self._database.execute("SELECT file FROM records ORDER BY file"):
            yield file

    def entries(self) -> Iterator[tuple[Entry, int]]:
        """What stays of each input, and the number of the part it is from, sorted by file."""
        for line, number in self._database.execute("SELECT entry, part FROM records ORDER BY file"):
            yield Entry.from_line(line), number

    def close(self) -> None:
        """It is needed no more."""
        self._database.close()
