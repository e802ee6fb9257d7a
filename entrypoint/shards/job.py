"""What the parts of a job have in common, and how far they cover it."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from entrypoint.errors import SourceError
from entrypoint.settings import Settings
from entrypoint.shards.parts import Part
from entrypoint.text import difference, printable

_SHOWN, _AND = 10, "; "
CONTENT = "what they have looked at"
SOURCES = ("source", CONTENT)
"""In what runs of different sources differ."""


@dataclass(slots=True)
class Job:
    """Of which all parts are; raises SourceError when they are not of one."""

    identity: dict[str, Any]
    settings: dict[str, Any]
    made_with: Settings
    """The settings that decide the results, which all parts have in common."""
    weights: dict[str, Any]
    count: int
    device: str
    engine: str
    versions: dict[str, str]
    """Of the programs that computed the results."""
    source: str
    formats: tuple[str, ...]
    ignored: dict[str, int]
    left: dict[int, int] = field(default_factory=dict)
    twice: set[int] = field(default_factory=set)
    damage: str = ""
    damages: int = 0
    """How often something could not be read, a part or one of its lines or files; `damage` is the first."""
    runs: tuple[str, ...] = ()
    """The names of the runs, where these stand side by side instead of being parts of one."""

    @classmethod
    def of(cls, parts: Sequence[Part]) -> Self:
        """Raises SourceError when the parts are of different jobs, or of one that this program would not do."""
        first = parts[0]
        _require_equal(parts, tuple(first.decisive))
        ignored: dict[str, int] = {}
        for part in parts:
            if part.count != first.count:
                raise SourceError(contradiction(first, part, "number of parts", f"{first.count}, {part.count}"))
            for kind, number in part.status.ignored.items():
                ignored[kind] = max(number, ignored.get(kind, 0))
        return cls._made(parts, first.decisive, first.count, ignored)

    @classmethod
    def side_by_side(cls, runs: Sequence[Part], names: tuple[str, ...]) -> Self:
        """Of runs of different sources, by name. Raises SourceError when other weights or settings made them."""
        _require_equal(runs, ("version", "weights", "settings"))
        ignored = sum((Counter(run.status.ignored) for run in runs), Counter[str]())
        identity = {**runs[0].decisive, "source": _each(str(run.decisive["source"]) for run in runs)}
        job = cls._made(runs, identity, len(runs), dict(ignored))
        job.runs = names
        return job

    @classmethod
    def _made(cls, parts: Sequence[Part], identity: dict[str, Any], count: int, ignored: dict[str, int]) -> Self:
        first = parts[0]
        return cls(
            identity,
            {**first.status.settings, "shard": None},
            first.made_with,
            first.status.weights or {},
            count,
            _all_of(part.status.device for part in parts),
            _all_of(part.status.engine for part in parts),
            _versions(parts),
            _each(part.status.source for part in parts),
            tuple(sorted({name for part in parts for name in part.status.formats})),
            ignored,
        )

    def cover(self, number: int, part: Part, records: int) -> None:
        """Take note of a part with so many records. Of one that is there twice, the more complete counts."""
        if self.runs:
            self.left[number] = sum(part.left(records).values())
            return
        for index, left in part.left(records).items():
            if index in self.left:
                self.twice.add(index)
            self.left[index] = min(left, self.left.get(index, left))

    def note_damage(self, what: str) -> None:
        """Something could not be read."""
        self.damage = self.damage or what
        self.damages += 1

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.weights["classes"])

    @property
    def max_failures(self) -> int:
        """How many inputs may fail; runs that stand side by side may have as many each."""
        allowed = self.settings.get("max_failures", 0)
        return allowed * max(1, len(self.runs)) if isinstance(allowed, int) else 0

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
        """What is missing or damaged, for a person; empty when nothing is."""
        missing = [index for index in range(self.count) if index not in self.left]
        unfinished = [index for index, left in sorted(self.left.items()) if left]
        said = [f"part {_list(missing)} of {self.count} missing"] if missing else []
        if unfinished:
            left = sum(self.left.values())
            said.append(f"{self._named(unfinished)} unfinished, {left} input{'s' * (left != 1)} left")
        if self.damages:
            said.append(f"damaged: {self.damage}{f' and {self.damages - 1} more' if self.damages > 1 else ''}")
        return ", ".join(said)

    def _named(self, indices: Sequence[int]) -> str:
        if self.runs:
            return f"run {_list([self.runs[index] for index in indices])}"
        return f"part {_list(indices)} of {self.count}"


def contradiction(first: Part, second: Part, what: str, difference: str) -> str:
    """What is said of two parts that are not of one job."""
    advice = "name their folders one by one"
    if what in SOURCES:
        advice += ", or have runs of different sources beside each other with --side-by-side"
    return (
        f"parts of different jobs: {printable(first.path)} and {printable(second.path)} differ in {what} "
        f"({difference}); expected the parts of one job: {advice}"
    )


def _require_equal(parts: Sequence[Part], names: Sequence[str]) -> None:
    first = parts[0]
    for part in parts:
        for what in names:
            one, other = first.decisive[what], part.decisive[what]
            if one != other:
                raise SourceError(contradiction(first, part, what, difference(one, other)))


def _list(indices: Sequence[object]) -> str:
    more = f" and {len(indices) - _SHOWN} more" if len(indices) > _SHOWN else ""
    return ", ".join(map(str, indices[:_SHOWN])) + more


def _each(values: Iterable[str]) -> str:
    return _AND.join(sorted(set(values)))


def _all_of(values: Iterable[str]) -> str:
    """Return each of these values once, of which parts that were merged already have several."""
    return _each(one for value in values for one in value.split(_AND))


def _versions(parts: Sequence[Part]) -> dict[str, str]:
    names = dict.fromkeys(name for part in parts for name in part.status.versions)
    return {name: _all_of(part.status.versions.get(name, "none") for part in parts) for name in names}
