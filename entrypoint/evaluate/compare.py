"""What changed between two runs: their inputs, their failures, and each detection."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from entrypoint.evaluate.pairing import pairs_of
from entrypoint.text import shown
from entrypoint.values import Detection, Record

_SAME_BOX = 0.99
_SAME_CONFIDENCE = 0.005
_LISTED = 100
_SHOWN = 10


@dataclass(slots=True)
class Change:
    """What changed for one input: detections that only one of the runs has, and those whose box or confidence moved."""

    file: str
    gained: list[Detection] = field(default_factory=list)
    lost: list[Detection] = field(default_factory=list)
    moved: int = 0
    other_confidence: int = 0
    same: int = 0
    failure: str = ""

    @property
    def size(self) -> int:
        """By how much the input differs, to show the most different first."""
        return len(self.gained) + len(self.lost) + self.moved


@dataclass(slots=True)
class Comparison:
    """Counts over all inputs; `changes` are those of the inputs that differ most."""

    inputs: int = 0
    only_first: list[str] = field(default_factory=list)
    only_second: list[str] = field(default_factory=list)
    identical_inputs: int = 0
    same: int = 0
    moved: int = 0
    other_confidence: int = 0
    gained: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    failures: list[Change] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    differing: dict[str, tuple[Any, Any]] = field(default_factory=dict)

    def add(self, change: Change) -> None:
        """Count an input that both runs have."""
        self.inputs += 1
        self.same += change.same
        self.moved += change.moved
        self.other_confidence += change.other_confidence
        self.gained.update(found.name for found in change.gained)
        self.lost.update(found.name for found in change.lost)
        if change.failure:
            self.failures.append(change)
        elif change.size:
            self.changes.append(change)
            if len(self.changes) > 2 * _LISTED:
                self._drop_small()
        elif not change.other_confidence:
            self.identical_inputs += 1

    def _drop_small(self) -> None:
        self.changes = sorted(self.changes, key=lambda change: (-change.size, change.file))[:_LISTED]

    @property
    def largest(self) -> list[Change]:
        """The inputs that differ most, those first."""
        self._drop_small()
        return self.changes


def compare(
    first: Iterable[Record], second: Iterable[Record], settings: tuple[Mapping[str, Any], Mapping[str, Any]] = ({}, {})
) -> Comparison:
    """Compare the records of two runs, both sorted by file; `settings` are what each was run with."""
    comparison = Comparison(differing=_differences(*settings))
    for one, other in _side_by_side(first, second):
        if other is None and one is not None:
            comparison.only_first.append(one.file)
        elif one is None and other is not None:
            comparison.only_second.append(other.file)
        elif one is not None and other is not None:
            comparison.add(_change(one, other))
    return comparison


def _side_by_side(first: Iterable[Record], second: Iterable[Record]) -> Iterator[tuple[Record | None, Record | None]]:
    ours, theirs = iter(first), iter(second)
    one, other = next(ours, None), next(theirs, None)
    while one is not None or other is not None:
        if other is None or (one is not None and one.file < other.file):
            yield one, None
            one = next(ours, None)
        elif one is None or other.file < one.file:
            yield None, other
            other = next(theirs, None)
        else:
            yield one, other
            one, other = next(ours, None), next(theirs, None)


def _change(one: Record, other: Record) -> Change:
    change = Change(one.file)
    if one.failure != other.failure:
        change.failure = f"{one.failure or 'looked at'} → {other.failure or 'looked at'}"
    elif one.detections is not None and other.detections is not None:
        for before, after in _frame_by_frame(one.detections, other.detections):
            _add_frame(change, before, after)
    return change


def _frame_by_frame(
    one: Collection[Detection], other: Collection[Detection]
) -> Iterator[tuple[list[Detection], list[Detection]]]:
    """What both runs found in each frame in which either found anything; a still is one frame."""

    def frame(found: Detection) -> int:
        return found.frame or 0

    ours, theirs = groupby(one, frame), groupby(other, frame)
    first, second = _next(ours), _next(theirs)
    while first or second:
        number = min(group[0] for group in (first, second) if group)
        before = first[1] if first and first[0] == number else []
        after = second[1] if second and second[0] == number else []
        yield before, after
        first = _next(ours) if before else first
        second = _next(theirs) if after else second


def _next(groups: Iterator[tuple[int, Iterator[Detection]]]) -> tuple[int, list[Detection]] | None:
    return next(((number, list(group)) for number, group in groups), None)


def _add_frame(change: Change, before: list[Detection], after: list[Detection]) -> None:
    """Count what changed in one frame."""
    pairs = pairs_of(before, after)
    for a, b, overlap in pairs:
        moved = overlap < _SAME_BOX
        shifted = abs(before[a].confidence - after[b].confidence) > _SAME_CONFIDENCE
        change.moved += moved
        change.other_confidence += shifted and not moved
        change.same += not (moved or shifted)
    kept_before, kept_after = {a for a, _, _ in pairs}, {b for _, b, _ in pairs}
    change.lost += [found for place, found in enumerate(before) if place not in kept_before]
    change.gained += [found for place, found in enumerate(after) if place not in kept_after]


def _differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    keys = sorted({*first, *second})
    return {key: (first.get(key), second.get(key)) for key in keys if first.get(key) != second.get(key)}


def as_text(comparison: Comparison) -> str:
    """For a terminal: the sums, then the inputs that differ most."""
    lines = [
        f"{comparison.inputs} inputs in both runs, {comparison.identical_inputs} of them identical.",
        f"Detections: {comparison.same} the same, {comparison.moved} moved, {comparison.other_confidence} with another "
        f"confidence, {comparison.gained.total()} gained, {comparison.lost.total()} lost.",
    ]
    for word, files in (("first", comparison.only_first), ("second", comparison.only_second)):
        if files:
            lines.append(f"Only in the {word} run: {len(files)} inputs, {_few(files)}")
    for word, counts in (("Gained", comparison.gained), ("Lost", comparison.lost)):
        if counts:
            lines.append(
                f"{word}: " + ", ".join(f"{count} {shown(name)}" for name, count in counts.most_common(_SHOWN))
            )
    for key, (first, second) in comparison.differing.items():
        lines.append(f"{shown(key)}: {first!r} in the first run, {second!r} in the second")
    lines += [f"{shown(change.file)}: {shown(change.failure)}" for change in comparison.failures[:_SHOWN]]
    lines += [
        f"{shown(change.file)}: {len(change.gained)} gained, {len(change.lost)} lost, {change.moved} moved"
        for change in comparison.largest[:_SHOWN]
    ]
    return "\n".join(lines) + "\n"


def as_json(comparison: Comparison) -> dict[str, Any]:
    """All counts, and up to a hundred inputs that differ most."""
    return {
        "inputs": comparison.inputs,
        "identical_inputs": comparison.identical_inputs,
        "only_first": comparison.only_first,
        "only_second": comparison.only_second,
        "detections": {
            "same": comparison.same,
            "moved": comparison.moved,
            "other_confidence": comparison.other_confidence,
            "gained": dict(comparison.gained),
            "lost": dict(comparison.lost),
        },
        "settings": {key: {"first": first, "second": second} for key, (first, second) in comparison.differing.items()},
        "failures": [{"file": change.file, "change": change.failure} for change in comparison.failures],
        "largest": [
            {
                "file": change.file,
                "gained": [found.to_json() for found in change.gained],
                "lost": [found.to_json() for found in change.lost],
                "moved": change.moved,
            }
            for change in comparison.largest
        ],
    }


def _few(files: list[str]) -> str:
    more = f" and {len(files) - _SHOWN} more" if len(files) > _SHOWN else ""
    return ", ".join(map(repr, files[:_SHOWN])) + more
