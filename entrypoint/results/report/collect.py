"""What a report shows of a run, gathered from its records as they go by, in memory that does not grow with the run."""

from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from entrypoint.values import Detection, Failure, Record

MOST_SHOWN = 50_000
"""Inputs in the gallery. Of more, every second, fourth, eighth … is in it; the charts count them all."""
_MOST_FAILED = 2_000
_MOST_BOXES = 300_000
_BINS = 20
# How many objects are in an image, as the chart has it: each group begins at one of these numbers.
_OBJECT_GROUPS = (0, 1, 2, 3, 5, 10, 20, 50, 100)
_NUMBERS_A_BOX = 6

Bar = tuple[str, str, int]
"""Of a histogram: what stands below it, empty where nothing does; what it counts, in words; and the count."""


@dataclass(slots=True)
class Shown:
    """An input in the gallery: `boxes` are class, confidence in thousandths, and x1, y1, x2, y2 in whole pixels."""

    file: str
    width: int
    height: int
    boxes: "array[int]"
    times: "array[float] | None"
    failure: Failure | None

    @classmethod
    def of(cls, record: Record) -> "Shown":
        found = record.detections or ()
        boxes = array("i", (number for one in found for number in _numbers(one)))
        times = array("d", (one.time or 0.0 for one in found)) if record.video else None
        return cls(record.file, record.width or 0, record.height or 0, boxes, times, record.failure)

    def corners(self) -> Iterator[tuple[int, int, int, int, int]]:
        """The class of each box, and x1, y1, x2, y2."""
        for start in range(0, len(self.boxes), _NUMBERS_A_BOX):
            class_id, _, x1, y1, x2, y2 = self.boxes[start : start + _NUMBERS_A_BOX]
            yield class_id, x1, y1, x2, y2

    def to_json(self, most_boxes: int) -> dict[str, Any]:
        """With short keys, for there may be many of these; what is not there has no key."""
        plain: dict[str, Any] = {"f": self.file}
        if self.failure is not None:
            return plain | {"e": str(self.failure)}
        plain |= {"w": self.width, "h": self.height, "b": self.boxes[: most_boxes * _NUMBERS_A_BOX].tolist()}
        if self.times is not None:
            plain["t"] = [round(time, 2) for time in self.times[:most_boxes]]
        left_out = len(self.boxes) // _NUMBERS_A_BOX - most_boxes
        return plain | {"m": left_out} if left_out > 0 else plain


def _numbers(found: Detection) -> tuple[int, ...]:
    return found.class_id, round(found.confidence * 1000), *map(round, found.box)


@dataclass(slots=True)
class Collected:
    """Counts over all records, and the inputs that the gallery shows."""

    inputs: int = 0
    detections: int = 0
    by_class: Counter[int] = field(default_factory=Counter)
    by_confidence: list[int] = field(default_factory=lambda: [0] * _BINS)
    by_objects: Counter[int] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    _every: int = 1
    _shown: list[tuple[int, Shown]] = field(default_factory=list)
    _failed: list[tuple[int, Shown]] = field(default_factory=list)

    def add(self, record: Record) -> None:
        """Take the next record, in the order of files."""
        place, self.inputs = self.inputs, self.inputs + 1
        if record.failure is not None:
            self.failures[record.failure.kind] += 1
            if len(self._failed) < _MOST_FAILED:
                self._failed.append((place, Shown.of(record)))
            return
        found = record.detections or ()
        self.detections += len(found)
        self.by_objects[max(group for group in _OBJECT_GROUPS if group <= len(found))] += 1
        for one in found:
            self.by_class[one.class_id] += 1
            self.by_confidence[min(int(one.confidence * _BINS), _BINS - 1)] += 1
        if place % self._every == 0:
            self._shown.append((place, Shown.of(record)))
            self._thin_out()

    def _thin_out(self) -> None:
        if len(self._shown) > MOST_SHOWN:
            self._every *= 2
            self._shown = [(place, shown) for place, shown in self._shown if place % self._every == 0]

    @property
    def looked_at(self) -> list[Shown]:
        """The inputs in the gallery that did not fail, in its order."""
        return [shown for _, shown in self._shown]

    @property
    def shown_files(self) -> list[str]:
        """The inputs in the gallery, in its order."""
        return [shown.file for _, shown in self._ordered()]

    @property
    def confidence_bars(self) -> list[Bar]:
        """How many detections are how certain."""
        ticks = [f"{bin_ / _BINS:.2f}" if bin_ % 5 == 0 else "" for bin_ in range(_BINS)]
        return [
            (tick, f"{bin_ / _BINS:.2f} to {(bin_ + 1) / _BINS:.2f}", self.by_confidence[bin_])
            for bin_, tick in enumerate(ticks)
        ]

    @property
    def object_bars(self) -> list[Bar]:
        """How many inputs have so many objects: `("3", "3 to 4", 12)`."""
        ends = (*_OBJECT_GROUPS[1:], None)
        return [
            (str(first), _range(first, end), self.by_objects[first])
            for first, end in zip(_OBJECT_GROUPS, ends, strict=True)
        ]

    def gallery(self, names: Sequence[str], links: Mapping[str, str]) -> dict[str, Any]:
        """The gallery's data, for JSON. `links`: paths of pictures whose path is not images/<file>."""
        ordered = self._ordered()
        most = _most_boxes([len(shown.boxes) // _NUMBERS_A_BOX for _, shown in ordered])
        images = [shown.to_json(most) for _, shown in ordered]
        for image in images:
            if image["f"] in links:
                image["l"] = links[image["f"]]
        return {"classes": list(names), "images": images}

    def _ordered(self) -> list[tuple[int, Shown]]:
        return sorted(self._shown + self._failed, key=lambda pair: pair[0])


def _most_boxes(counts: Sequence[int]) -> int:
    """How many boxes of an input can be shown, so that all together stay in bounds: the more, the fewer of each."""
    most = max(counts, default=0)
    while most > 1 and sum(min(count, most) for count in counts) > _MOST_BOXES:
        most = most * 3 // 4
    return most


def _range(first: int, end: int | None) -> str:
    if end is None:
        return f"{first} or more"
    return str(first) if end == first + 1 else f"{first} to {end - 1}"
