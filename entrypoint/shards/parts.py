"""The parts of a job on disk. They may be damaged, or made by somebody else: everything read from them is checked."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from entrypoint.errors import SourceError
from entrypoint.log import LOG
from entrypoint.results.claim import read_status
from entrypoint.results.formats import input_formats
from entrypoint.results.journal import JOURNAL, Entry
from entrypoint.results.journallines import decoded, lines
from entrypoint.results.runstatus import STATUS, RunStatus
from entrypoint.results.tree import Tree
from entrypoint.text import printable

_DECISIVE = {"version": str, "weights": str, "source": str, "settings": dict}


@dataclass(frozen=True, slots=True)
class Part:
    """A folder that a run has left."""

    path: Path
    status: RunStatus

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The part in a folder. Raises FileNotFoundError where there is none, ValueError for a damaged one."""
        status = read_status(Tree(folder))
        if status.weights is None:
            raise ValueError("its run did not come to its work")
        for name, kind in _DECISIVE.items():
            if not isinstance(status.identity.get(name), kind):
                raise ValueError(f"its identity has no {name}")
        return cls(folder, status)

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
        descriptor = Tree(self.path).open(JOURNAL)
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


def find_parts(folders: Sequence[Path]) -> tuple[list[Part], list[str]]:
    """All parts below the folders, each once, and the folders of damaged ones.

    Links below the folders are not followed. Raises SourceError for a folder that is not there, and where there is
    no part.
    """
    found: dict[Path, Part] = {}
    damaged = []
    inner = {kind.folder for kind in input_formats()}
    for top in folders:
        if not top.is_dir():
            raise SourceError(f"{printable(top)} is not a folder; expected one that holds the parts of a job")
        for folder, below, _ in os.walk(top, onerror=_log_unreadable):
            path = Path(folder)
            try:
                part = Part.read(path)
            except ValueError as error:
                LOG.warning("%s is not a whole status of a run: %s", printable(path / STATUS), error)
                if os.path.lexists(path / JOURNAL):
                    damaged.append(printable(path))
            except FileNotFoundError:
                pass
            except OSError as error:
                _log_unreadable(error)
            else:
                found.setdefault(part.path.resolve(), part)
                below[:] = [name for name in below if name not in inner]
            below.sort()
    if not found:
        where = ", ".join(printable(folder) for folder in folders)
        also = f" (damaged: {', '.join(damaged)})" if damaged else ""
        raise SourceError(
            f"no part of a run below {where}{also}; expected folders that yolo-bac left, a {STATUS} in each"
        )
    return list(found.values()), damaged


def _log_unreadable(error: OSError) -> None:
    LOG.warning("%s cannot be listed: %s", printable(error.filename), error.strerror)
