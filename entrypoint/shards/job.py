"""What the parts of a job have in common, and how far they cover it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from entrypoint.errors import SourceError
from entrypoint.shards.parts import Part
from entrypoint.text import printable

_SHOWN = 10


@dataclass(slots=True)
class Job:
    """Of which all parts are; raises SourceError when they are not of one."""

    identity: dict[str, Any]
    settings: dict[str, Any]
    weights: dict[str, Any]
    count: int
    device: str
    engine: str
    source: str
    formats: tuple[str, ...]
    ignored: dict[str, int]
    left: dict[int, int] = field(default_factory=dict)
    twice: set[int] = field(default_factory=set)
    damage: str = ""
    damages: int = 0
    """How often something could not be read, a part or one of its lines or files; `damage` is the first."""

    @classmethod
    def of(cls, parts: Sequence[Part]) -> Self:
        """Raises SourceError when the parts are of different jobs."""
        first = parts[0]
        ignored: dict[str, int] = {}
        for part in parts:
            for what in first.decisive:
                one, other = first.decisive[what], part.decisive[what]
                if one != other:
                    raise SourceError(contradiction(first, part, what, difference(one, other)))
            if part.count != first.count:
                raise SourceError(contradiction(first, part, "number of parts", f"{first.count}, {part.count}"))
            for kind, number in part.status.ignored.items():
                ignored[kind] = max(number, ignored.get(kind, 0))
        return cls(
            first.decisive,
            {**first.status.settings, "shard": None},
            first.status.weights or {},
            first.count,
            _each(part.status.device for part in parts),
            _each(part.status.engine for part in parts),
            _each(part.status.source for part in parts),
            tuple(sorted({name for part in parts for name in part.status.formats})),
            ignored,
        )

    def cover(self, part: Part, records: int) -> None:
        """Take note of a part with so many records. Of one that is there twice, the more complete counts."""
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
        allowed = self.settings.get("max_failures", 0)
        return allowed if isinstance(allowed, int) else 0

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
            said.append(f"part {_list(unfinished)} of {self.count} unfinished, {left} input{'s' * (left != 1)} left")
        if self.damages:
            said.append(f"damaged: {self.damage}{f' and {self.damages - 1} more' if self.damages > 1 else ''}")
        return ", ".join(said)


def contradiction(first: Part, second: Part, what: str, difference: str) -> str:
    """What is said of two parts that are not of one job."""
    return (
        f"parts of different jobs: {printable(first.path)} and {printable(second.path)} differ in {what} "
        f"({difference}); expected the parts of one job: name their folders one by one"
    )


def difference(a: Any, b: Any) -> str:
    """Two values that differ, for a person; of objects, the keys that do."""
    if not isinstance(a, dict) or not isinstance(b, dict):
        return f"{a}, {b}"
    return ", ".join(f"{key} {a.get(key)} and {b.get(key)}" for key in sorted({*a, *b}) if a.get(key) != b.get(key))


def _list(indices: Sequence[int]) -> str:
    more = f" and {len(indices) - _SHOWN} more" if len(indices) > _SHOWN else ""
    return ", ".join(map(str, indices[:_SHOWN])) + more


def _each(values: Iterable[str]) -> str:
    return "; ".join(sorted(set(values)))
