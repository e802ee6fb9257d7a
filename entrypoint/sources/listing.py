"""The inputs of a run by name, sorted, each name once; a million of them fit into some hundred megabytes.

Of an input that lies where its name says, only the name is kept. How paths follow from names is said once for all of
them, by an `Origin`; what is exceptional has an entry of its own. A medium is made when it is asked for.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import overload

from entrypoint.shard import Shard
from entrypoint.sources import kinds
from entrypoint.sources.medium import FailedMedium, Medium, ReadOptions
from entrypoint.sources.origin import Kind, Origin
from entrypoint.sources.suffixes import suffix
from entrypoint.values import Failure

Clash = Callable[[str, str], bool]
_MOST_ORIGINS = 0xD000  # their numbers are written as characters


@dataclass(frozen=True, slots=True)
class Exceptional:
    """An input that `origin` knows as `file`, not by its name, or that cannot be read for a `failure` known already."""

    origin: Origin
    file: str
    failure: Failure | None = None

    @property
    def path(self) -> str:
        """What tells it from other inputs."""
        return self.origin.base + self.file


class Listing(Sequence[Medium]):
    """Media sorted by `file`; `ignored` counts other files by what they are."""

    def __init__(
        self,
        files: Sequence[str],
        origins: tuple[Origin, ...],
        numbers: Sequence[int],
        exceptional: dict[str, Exceptional],
        ignored: Counter[str],
        options: ReadOptions,
    ) -> None:
        """`numbers`: of each file, the number of its origin; empty where all have the first."""
        self.files, self.ignored = files, ignored
        self._origins, self._numbers, self._exceptional, self.options = origins, numbers, exceptional, options

    def __len__(self) -> int:
        return len(self.files)

    @overload
    def __getitem__(self, index: int) -> Medium: ...
    @overload
    def __getitem__(self, index: slice) -> list[Medium]: ...
    def __getitem__(self, index: int | slice) -> Medium | list[Medium]:
        places = range(len(self.files))[index]
        return self._medium(places) if isinstance(places, int) else [self._medium(place) for place in places]

    def __iter__(self) -> Iterator[Medium]:
        return map(self._medium, range(len(self.files)))

    def share(self, shard: Shard) -> "Listing":
        """Those of the media that a shard holds."""
        held = [place for place, file in enumerate(self.files) if shard.holds(file)]
        files = [self.files[place] for place in held]
        numbers = array("H", (self._numbers[place] for place in held)) if self._numbers else ()
        return Listing(files, self._origins, numbers, self._exceptional, self.ignored, self.options)

    def reading_order(self) -> Iterator[int]:
        """All places, sorted but for those of inputs that have an order of their own: they come together, in that."""
        place = 0
        while place < len(self.files):
            group, end = self._group(place), place + 1
            while group and end < len(self.files) and self._group(end) in (group, None):
                end += 1
            yield from sorted(range(place, end), key=self._place) if group else (place,)
            place = end

    def _group(self, index: int) -> object:
        """What inputs have in common that are to be read in one go; None for all others."""
        return None if self.files[index] in self._exceptional else self._origin(index).group

    def _origin(self, index: int) -> Origin:
        return self._origins[self._numbers[index] if self._numbers else 0]

    def _place(self, index: int) -> int:
        return self._origin(index).place(self.files[index]) if self._group(index) else -1

    def _medium(self, index: int) -> Medium:
        file = self.files[index]
        found = self._exceptional.get(file)
        if found is None:
            return self._origin(index).medium(index, file, file, self.options)
        if found.failure:
            return FailedMedium(index, file, found.failure)
        return found.origin.medium(index, file, found.file, self.options)


class Collector:
    """Takes inputs as they are found, in any order, and makes a listing of them."""

    def __init__(self) -> None:
        self.ignored: Counter[str] = Counter()
        self.count = 0
        self._origin, self._mark, self._is_plain = Origin(""), "", False
        self._marks: dict[Origin, str] = {}  # how a name is marked that is not of the first origin
        self._names: list[str] = []  # of inputs whose paths follow from their names, and the marks behind them
        self._exceptional: list[tuple[str, Exceptional]] = []

    def add(self, file: str, path: str, kind: Kind | None = None, failure: Failure | None = None) -> None:
        """An input at `path`, to be named `file`; `kind` is told where the suffix of the name does not tell it."""
        self.count += 1
        base = path[: len(path) - len(file)]
        if failure or not path.endswith(file):
            self._exceptional.append(
                (file, Exceptional(Origin(path, kind or kinds.by_suffix(suffix(file))), "", failure))
            )
        elif self._is_plain and base == self._origin.base and kind is self._origin.kind:
            self._names.append(file + self._mark if self._mark else file)
        else:
            self._add(file, Origin(base, kind))

    def add_from(self, origin: Origin, file: str) -> None:
        """An input that `origin` knows as `file`, which is to be its name."""
        self.count += 1
        self._add(file, origin)

    def _add(self, file: str, origin: Origin) -> None:
        if self._turn_to(origin):
            self._names.append(file + self._mark if self._mark else file)
        else:
            self._exceptional.append((file, Exceptional(origin, file)))

    def _turn_to(self, origin: Origin) -> bool:
        """Make this the origin of the names to come; False when there are too many different ones."""
        if origin != self._origin or not self._marks:
            if origin not in self._marks:
                if len(self._marks) == _MOST_ORIGINS:
                    return False
                self._marks[origin] = f"\0{chr(len(self._marks))}" if self._marks else ""
            self._origin, self._mark, self._is_plain = origin, self._marks[origin], type(origin) is Origin
        return True

    def listing(self, clash: Clash, options: ReadOptions) -> Listing:
        """All that were added; one whose name or results would be in another's way gets a number behind its name.

        `clash` tells whether results of an input would be in the way of another's, whose name begins with its name.
        """
        names, origins = self._names, tuple(self._marks)
        names.sort()
        self._set_aside(_take_repeated(names, origins), origins)
        self._set_aside(_take_in_the_way(names, sorted(file for file, _ in self._exceptional), clash), origins)
        exceptional = _numbered(names, self._exceptional, clash)
        names += exceptional
        names.sort()
        numbers = _take_marks(names) if len(origins) > 1 else ()
        return Listing(names, origins or (Origin(""),), numbers, exceptional, self.ignored, options)

    def _set_aside(self, names: list[str], origins: tuple[Origin, ...]) -> None:
        for name in names:
            file, origin = _plain(name), _origin(name, origins)
            self._exceptional.append((file, Exceptional(origin, file)))


def _numbered(names: list[str], found: list[tuple[str, Exceptional]], clash: Clash) -> dict[str, Exceptional]:
    """Exceptional inputs, each under a name of its own; one that is there twice is there once."""
    found = sorted(found, key=lambda pair: pair[0])
    there = [file for file, _ in found]
    named: dict[str, Exceptional] = {}
    for file, entry in found:
        name, number = file, 1
        while (
            (name in named and named[name].path != entry.path)
            or _is_name(names, name)
            or _is_in_the_way(name, names, clash)
            or _is_in_the_way(name, there, clash)
        ):
            number += 1
            name = f"{file}~{number}"
        named.setdefault(name, entry)
    return named


def _take_repeated(names: list[str], origins: tuple[Origin, ...]) -> list[str]:
    """Of sorted names, take those out that stand a second time; gives those of them that mean another path."""
    places = {place for place, (one, two) in enumerate(pairwise(names), 1) if _plain(one) == _plain(two)}
    if not places:
        return []
    others = [
        names[place]
        for place in sorted(places)
        if _origin(names[place], origins).base != _origin(names[place - 1], origins).base
    ]
    names[:] = [name for place, name in enumerate(names) if place not in places]
    return others


def _take_in_the_way(names: list[str], others: list[str], clash: Clash) -> list[str]:
    """Take those names out that have results in the way of others', of `names` or `others`; both are sorted."""
    taken = {
        name
        for name, follower in zip(names, [*names[1:], ""], strict=False)
        if (follower.startswith(_plain(name)) and _is_in_the_way(_plain(name), names, clash))
        or (others and _is_in_the_way(_plain(name), others, clash))
    }
    if taken:
        names[:] = [name for name in names if name not in taken]
    return sorted(taken)


def _is_in_the_way(file: str, names: list[str], clash: Clash) -> bool:
    """Whether results of `file` would be in the way of those of one of the sorted names, which then begins with it."""
    for place in range(bisect_right(names, file), len(names)):
        if not names[place].startswith(file):
            return False
        if clash(file, _plain(names[place])):
            return True
    return False


def _take_marks(names: list[str]) -> Sequence[int]:
    """Leave plain names in the list; gives the number of each one's origin."""
    numbers = array("H", [0]) * len(names)
    for place, name in enumerate(names):
        names[place], _, mark = name.partition("\0")
        numbers[place] = ord(mark) if mark else 0
    return numbers


def _plain(name: str) -> str:
    return name.partition("\0")[0]


def _origin(name: str, origins: tuple[Origin, ...]) -> Origin:
    mark = name.partition("\0")[2]
    return origins[ord(mark) if mark else 0]


def _is_name(names: list[str], name: str) -> bool:
    """Whether `name` is one of the sorted names, whatever its origin."""
    place = bisect_left(names, name)
    return place < len(names) and _plain(names[place]) == name
