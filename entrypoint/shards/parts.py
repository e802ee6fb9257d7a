"""The parts of a job on disk. They may be damaged, or made by somebody else: everything read from them is checked."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Protocol, Self

from entrypoint.checks import checked_text, shown
from entrypoint.errors import SourceError, UsageError
from entrypoint.option import Option, declared
from entrypoint.results.claim import read_status
from entrypoint.results.journal import JOURNAL
from entrypoint.results.journalentry import Entry, intact
from entrypoint.results.journallines import lines
from entrypoint.results.runstatus import STATUS, RunStatus
from entrypoint.results.settling import unnamed
from entrypoint.results.tree import Tree
from entrypoint.settings import Settings
from entrypoint.shards.packed import PackedParts, Wanted
from entrypoint.text import printable

_DECISIVE = {"version": str, "weights": str, "settings": dict, "source": str}


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
    def made_with(self) -> Settings:
        """The settings that decided its results; one of which it says nothing is as by default.

        Raises SourceError for a value that this program's option cannot have.
        """
        said = self.decisive["settings"]
        options = [option for option in declared(Settings) if option.decides and option.name in said]
        try:
            return Settings(**{option.name: _value(option, said[option.name]) for option in options})
        except (UsageError, ValueError) as error:
            raise SourceError(
                f"{printable(self.path)} was made with a setting that this version of the program does not have "
                f"({error}); expected a run of this version, with a whole {STATUS}"
            ) from error

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

    @contextmanager
    def opened(self, path: str) -> Iterator[int]:
        """A result, open for reading for the time of the block. Raises OSError."""
        descriptor = self.files.open(path)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    @property
    def names(self) -> tuple[str, ...]:
        """The network's classes by id."""
        return tuple((self.status.weights or {})["classes"])

    def entries(self) -> Iterator[tuple[int, str, Entry | str | None]]:
        """Each line's number, its input, and what it says: an entry; None, the input has no record; or what is wrong.

        Of several lines for an input the last counts. Raises OSError when the journal cannot be read.
        """
        names, descriptor = self.names, self.files.journal()
        try:
            for number, (_, line) in enumerate(lines(descriptor), 1):
                try:
                    plain = intact(line)
                    if plain.get("gone") is True and isinstance(plain.get("file"), str):
                        yield number, plain["file"], None
                    elif "segment" not in plain:  # a video that is not done is looked at again by the part itself
                        entry = Entry.from_json(plain)
                        if strange := unnamed(entry.record, names):
                            said = f"class {strange.class_id} {shown(strange.name)}"
                            raise ValueError(f"{said} is none of the weights'")
                        yield number, entry.record.file, entry
                except ValueError as error:
                    yield number, "", str(error)
        finally:
            os.close(descriptor)


def _value(option: Option, said: object) -> Any:
    """The value of an option, which is `said` in JSON as a run writes it. Raises UsageError, ValueError."""
    if said == (list(option.default) if isinstance(option.default, tuple) else option.default):
        return option.default
    for one in said if isinstance(said, list) else [said]:
        if isinstance(one, (dict, list)):
            raise ValueError(f"{option.name}: {shown(said)} is no value of an option")
        if isinstance(one, str):
            checked_text(one, option.name)
    value = option.checked(said)
    if (list(value) if isinstance(value, tuple) else value) != said:
        raise ValueError(f"{option.name}: {shown(said)} is not what a run writes for {shown(value)}")
    return value


def unpack(parts: Iterable[Part], scratch: Path, wanted: Wanted) -> None:
    """Have files of parts in archives ready to be opened, in the folder `scratch`. Raises OutputError.

    `wanted` is asked by the path of a part and that of a file in it.
    """
    found = [part.files.archive for part in parts if isinstance(part.files, PackedFiles)]
    for archive in {archive.path: archive for archive in found}.values():
        archive.unpack(scratch, partial(_is_wanted, wanted, archive.path))


def _is_wanted(wanted: Wanted, archive: Path, folder: str, path: str) -> bool:
    return wanted(str(archive / folder), path)
