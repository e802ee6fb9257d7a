"""Finished records by the sha256 of what was read, in a database on disk, so that memory does not grow with them."""

import sqlite3
from collections.abc import Iterator
from dataclasses import asdict
from itertools import count
from pathlib import Path

from entrypoint.inputstate import InputState
from entrypoint.jsontext import compact, decoded
from entrypoint.results.imagenames import WRITTEN_IN_COLOUR, suffix_of
from entrypoint.results.journalentry import Entry
from entrypoint.sources.suffixes import suffix

DATABASE = "previous.sqlite"
_TABLES = """
    PRAGMA synchronous = OFF;
    PRAGMA journal_mode = OFF;
    CREATE TABLE entries (file TEXT, part INT, sha256 TEXT, suffix TEXT, entry BLOB, PRIMARY KEY (file, part))
        WITHOUT ROWID;
    CREATE TABLE used (sha256 TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE wanted (part INT, rank INT, place INT, file TEXT, state BLOB, PRIMARY KEY (part, rank)) WITHOUT ROWID;
"""
_INDEX = "CREATE INDEX by_content ON entries (sha256, suffix, file, part)"
_SAME = "SELECT file, part FROM entries WHERE sha256 = ? AND suffix = ?"
_WANTED = "SELECT place, state, entry FROM wanted JOIN entries USING (file, part) WHERE part = ? ORDER BY rank"
_GONE = "SELECT DISTINCT file FROM entries WHERE sha256 NOT IN (SELECT sha256 FROM used) ORDER BY file"


class Contents:
    """Entries of parts, by number; and which of them each input is to have, by its place."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.executescript(_TABLES)
        self._database.execute("BEGIN")
        self._ranks = count()

    def put(self, number: int, file: str, entry: Entry | None) -> None:
        """What the part of that number says of an input, in place of what it said before."""
        self._database.execute("DELETE FROM entries WHERE file = ? AND part = ?", (file, number))
        if entry and entry.record.sha256 and not entry.record.failure:
            row = (file, number, entry.record.sha256, _suffix(file), entry.to_line())
            self._database.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?)", row)

    def all_put(self) -> None:
        """From now on it is looked for."""
        self._database.execute(_INDEX)

    def want(self, place: int, file: str, sha256: str, state: InputState | None) -> None:
        """An input of that name and content is to have a record of the same content, if there is one.

        That of the same name goes first, and one whose results are written in another format is none.
        """
        self._database.execute("INSERT OR IGNORE INTO used VALUES (?)", (sha256,))
        key = (sha256, _suffix(file))
        found = (
            self._database.execute(f"{_SAME} AND file = ? LIMIT 1", (*key, file)).fetchone()
            or self._database.execute(f"{_SAME} ORDER BY file, part LIMIT 1", key).fetchone()
        )
        if found:
            row = (found[1], next(self._ranks), place, found[0], state and compact(asdict(state)))
            self._database.execute("INSERT INTO wanted VALUES (?, ?, ?, ?, ?)", row)

    def wanted(self, number: int) -> Iterator[tuple[int, InputState | None, Entry]]:
        """The inputs that are to have an entry of the part of that number: their places, their states, the entries.

        In the order in which `want` was told of them, which is that in which they are best read.
        """
        for place, state, line in self._database.execute(_WANTED, (number,)):
            yield place, InputState.from_json(decoded(state)) if state else None, Entry.from_line(line)

    def unused(self) -> Iterator[str]:
        """The inputs of entries whose content nobody has asked for."""
        for (file,) in self._database.execute(_GONE):
            yield file

    def close(self) -> None:
        """It is needed no more."""
        self._database.close()


def _suffix(file: str) -> str:
    """What of a name decides how an input is read and how its image is written."""
    written = suffix_of(file)
    return suffix(file) + (written if written in WRITTEN_IN_COLOUR else "")
