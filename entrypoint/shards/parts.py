"""The parts of a job on disk, and whether they belong together."""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from entrypoint.errors import SourceError
from entrypoint.log import LOG
from entrypoint.results.runfolder import STATUS
from entrypoint.text import printable
from entrypoint.values import Record

_SHOWN = 10
_MAX_SHARDS = 1_000_000


@dataclass(frozen=True, slots=True)
class Part:
    """A folder that a run has left: `status` is its status.json."""

    path: Path
    status: dict[str, Any]

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """The part in a folder, None where there is none."""
        try:
            status = json.loads((folder / STATUS).read_bytes())
            part = cls(folder, status)
            known = part.decisive and part.left(0) and status["weights"]["classes"]
            return part if known and 1 <= part.count <= _MAX_SHARDS else None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    @property
    def decisive(self) -> dict[str, Any]:
        """What decides the results, and so must be the same in all parts."""
        identity = self.status["identity"]
        return {"weights": identity["weights"], "settings": identity["settings"]}

    @property
    def count(self) -> int:
        """How many parts the job has."""
        part, merged = self.status["part"], self.status.get("merged")
        return int(merged["count"] if merged else part["count"] if part else 1)

    def left(self, records: int) -> dict[int, int]:
        """How many inputs have no record, by the index of each part that is in here, when `records` have one."""
        if merged := self.status.get("merged"):
            return {int(index): int(left) for index, left in merged["left"].items()}
        part = self.status["part"]
        return {int(part["index"]) if part else 0: max(0, int(self.status["counts"]["total"]) - records)}

    def records(self) -> Iterator[Record]:
        """Its records, in no order. One that cannot be read, or is none, is logged and left out."""
        for folder, _, names in os.walk(self.path / "labels", onerror=_log_unreadable):
            for name in names:
                if name.endswith(".json"):
                    path = Path(folder, name)
                    record = _record(path)
                    if record is None:
                        LOG.warning("%s is not a whole record; left out", printable(path))
                    else:
                        yield record


def find_parts(folders: Sequence[Path]) -> list[Part]:
    """All parts below the folders, each once. Raises SourceError for a folder that is not there."""
    found: dict[Path, Part] = {}
    for top in folders:
        if not top.is_dir():
            raise SourceError(f"{printable(top)} is not a folder; expected one that holds the parts of a job")
        for folder, below, _ in os.walk(top, onerror=_log_unreadable):
            part = Part.read(Path(folder))
            if part is not None:
                found.setdefault(part.path.resolve(), part)
                below[:] = [name for name in below if name not in ("labels", "images", "crops")]
            below.sort()
    return list(found.values())


@dataclass(slots=True)
class Job:
    """What the parts have in common, and how far they cover it."""

    identity: dict[str, Any]
    settings: dict[str, Any]
    weights: dict[str, Any]
    count: int
    device: str
    engine: str
    source: str
    ignored: dict[str, int]
    left: dict[int, int] = field(default_factory=dict)
    twice: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, parts: Sequence[Part]) -> Self:
        """Raises SourceError when the parts are of different jobs."""
        first = parts[0]
        ignored: dict[str, int] = {}
        for part in parts:
            for what in ("weights", "settings"):
                if part.decisive[what] != first.decisive[what]:
                    raise SourceError(_contradiction(what, first, part, _difference(what, first, part)))
            if part.count != first.count:
                raise SourceError(_contradiction("number of parts", first, part, f"{first.count}, {part.count}"))
            for kind, number in part.status["ignored"].items():
                ignored[kind] = max(number, ignored.get(kind, 0))
        return cls(
            first.decisive,
            {**first.status["settings"], "shard": None},
            first.status["weights"],
            first.count,
            _each(part.status["device"] for part in parts),
            _each(part.status.get("engine", "torch") for part in parts),
            _each(part.status["source"] for part in parts),
            ignored,
        )

    def cover(self, part: Part, records: int) -> None:
        """Take note of a part with so many records. Of one that is there twice, the more complete counts."""
        for index, left in part.left(records).items():
            if index in self.left:
                self.twice.add(index)
            self.left[index] = min(left, self.left.get(index, left))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.weights["classes"])

    @property
    def saves_csv(self) -> bool:
        return bool(self.settings.get("save_csv"))

    @property
    def max_failures(self) -> int:
        return int(self.settings.get("max_failures", 0))

    @property
    def coverage(self) -> dict[str, Any]:
        """What status.json says of the parts."""
        return {"count": self.count, "left": {str(index): self.left[index] for index in sorted(self.left)}}

    @property
    def repeats(self) -> str:
        """What is there more than once, for a person; empty when nothing is."""
        return f"part {_list(sorted(self.twice))} of {self.count} is there more than once" if self.twice else ""

    @property
    def gaps(self) -> str:
        """What is missing, for a person; empty when nothing is."""
        missing = [index for index in range(self.count) if index not in self.left]
        unfinished = [index for index, left in sorted(self.left.items()) if left]
        said = [f"part {_list(missing)} of {self.count} missing"] if missing else []
        if unfinished:
            left = sum(self.left.values())
            said.append(f"part {_list(unfinished)} of {self.count} unfinished, {left} input{'s' * (left != 1)} left")
        return ", ".join(said)


def _log_unreadable(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):  # no labels yet
        LOG.warning("%s cannot be listed: %s", printable(error.filename), error.strerror)


def _contradiction(what: str, first: Part, second: Part, difference: str) -> str:
    return (
        f"parts of different jobs: {printable(first.path)} and {printable(second.path)} differ in {what} "
        f"({difference}); expected the parts of one job: name their folders one by one"
    )


def _difference(what: str, first: Part, second: Part) -> str:
    a, b = first.decisive[what], second.decisive[what]
    if not isinstance(a, dict) or not isinstance(b, dict):
        return f"{a}, {b}"
    return ", ".join(f"{key} {a.get(key)} and {b.get(key)}" for key in sorted({*a, *b}) if a.get(key) != b.get(key))


def _list(indices: Sequence[int]) -> str:
    more = f" and {len(indices) - _SHOWN} more" if len(indices) > _SHOWN else ""
    return ", ".join(map(str, indices[:_SHOWN])) + more


def _record(path: Path) -> Record | None:
    """The record in a file, None where it is not a whole one or names a place outside its run."""
    try:
        return Record.from_json(json.loads(path.read_bytes()))
    except (OSError, ValueError, RecursionError):
        return None


def _each(values: Iterable[str]) -> str:
    return "; ".join(sorted(set(values)))
