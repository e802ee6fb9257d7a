"""The parts of a job on disk. They may be damaged, or made by somebody else: everything read from them is checked."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Protocol, Self

from entrypoint.jsontext import decoded
from entrypoint.results.claim import read_status
from entrypoint.results.journal import JOURNAL, Entry
from entrypoint.results.journallines import lines
from entrypoint.results.runstatus import RunStatus
from entrypoint.results.tree import Tree
from entrypoint.shards.packed import PackedParts, Wanted

_DECISIVE = {"version": str, "weights": str, "source": str, "settings": dict}


class PartFiles(Protocol):
    """Where a part's files lie. Each that is opened, for reading, is the caller's to close. Raises OSError."""

    def journal(self) -> int:
        """records.jsonl."""

    def open(self, path: str) -> int:
        """A result."""


@dataclass(frozen=True, slots=True)
class FolderFiles:
    """In a folder."""

    folder: Path
    tree: Callable[[Path], Tree]

    def journal(self) -> int:
        return self.open(JOURNAL)

    def open(self, path: str) -> int:
        return self.tree(self.folder).open(path)


@dataclass(frozen=True, slots=True)
class PackedFiles:
    """In a folder of an archive. Results can be opened once `unpack` has unpacked them."""

    archive: PackedParts
    folder: str

    def journal(self) -> int:
        return self.archive.journal(self.folder)

    def open(self, path: str) -> int:
        return self.archive.open(self.folder, path)


@dataclass(frozen=True, slots=True)
class Part:
    """What a run has left, in a folder or in one of an archive; `path` is that folder's, as a person knows it."""

    path: Path
    status: RunStatus
    files: PartFiles

    @classmethod
    def of(cls, path: Path, status: RunStatus, files: PartFiles) -> Self:
        """Raises ValueError for one whose results are of nothing that is known."""
        if status.weights is None:
            raise ValueError("its run did not come to its work")
        for name, kind in _DECISIVE.items():
            if not isinstance(status.identity.get(name), kind):
                raise ValueError(f"its identity has no {name}")
        return cls(path, status, files)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """That in a folder. Raises FileNotFoundError where there is none, ValueError for a damaged one."""
        files = FolderFiles(folder, lru_cache(1)(Tree))
        return cls.of(folder, read_status(files.tree(folder)), files)

    @property
    def decisive(self) -> dict[str, Any]:
        """What decides the results, and so must be the same in all parts."""
        return {name: self.status.identity[name] for name in _DECISIVE}

    @property
    def count(self) -> int:
        """How many parts the job has."""
        merged, part = self.status.merged, self.status.part
        return int(merged["count"] if merged else part["count"] if part else 1)

    def left(self, records: int) -> dict[int, int]:
        """How many inputs have no record, by the index of each part that is in here, when `records` have one."""
        if self.status.merged:
            return {int(index): left for index, left in self.status.merged["left"].items()}
        part = self.status.part
        return {part["index"] if part else 0: max(0, self.status.counts["total"] - records)}

    def entries(self) -> Iterator[tuple[int, str, Entry | str | None]]:
        """Each line's number, its input, and what it says: an entry; None, the input has no record; or what is wrong.

        Of several lines for an input the last counts. Raises OSError when the journal cannot be read.
        """
        descriptor = self.files.journal()
        try:
            for number, (_, line) in enumerate(lines(descriptor), 1):
                try:
                    plain = decoded(line)
                    if plain.get("gone") is True and isinstance(plain.get("file"), str):
                        yield number, plain["file"], None
                    elif "segment" not in plain:  # a video that is not done is looked at again by the part itself
                        entry = Entry.from_json(plain)
                        yield number, entry.record.file, entry
                except ValueError as error:
                    yield number, "", str(error)
        finally:
            os.close(descriptor)


def unpack(parts: Iterable[Part], scratch: Path, wanted: Wanted) -> None:
    """Have files of parts in archives ready to be opened, in the folder `scratch`. Raises OutputError.

    `wanted` is asked by the path of a part and that of a file in it.
    """
    found = [part.files.archive for part in parts if isinstance(part.files, PackedFiles)]
    for archive in {archive.path: archive for archive in found}.values():
        archive.unpack(scratch, partial(_is_wanted, wanted, archive.path))


def _is_wanted(wanted: Wanted, archive: Path, folder: str, path: str) -> bool:
    return wanted(str(archive / folder), path)
