"""Which inputs of a run are the images that a ground truth names, perhaps from another folder; and its classes."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

_MOST_FOLDERS = 64


@dataclass(slots=True)
class Matched:
    """Which image of the truth belongs to which file of the run."""

    by_file: dict[str, str] = field(default_factory=dict)
    without_file: list[str] = field(default_factory=list)
    unclear: list[str] = field(default_factory=list)
    """Images of the truth for which several files come into question, or which are several for one file."""
    unclear_files: set[str] = field(default_factory=set)


def match_names(
    images: Iterable[str], files: Sequence[str], keys: Callable[[str], tuple[str, ...]] = lambda file: (file,)
) -> Matched:
    """Find the file of each of the `images` of a ground truth.

    It is the one of the same path, or of a path of which one ends in the other.

    A truth that was made elsewhere says `images/val/x.jpg` for what the run calls `val/x.jpg`, or the other way round.
    The same path goes before such ends; where more than one comes into question, none is taken.
    `keys` gives what the truth may call a file.
    """
    whole: dict[str, list[str]] = {}
    ends: dict[str, list[str]] = {}
    for file in files:
        for key in keys(file):
            whole.setdefault(key, []).append(file)
            for end in shorter(key):
                ends.setdefault(end, []).append(file)
    matched = Matched()
    same, alike = dict[str, list[str]](), dict[str, list[str]]()
    for image in images:
        candidates = (whole.get(image), ends.get(image), *(whole.get(end) for end in shorter(image)))
        found = next((some for some in candidates if some), [])
        if len(found) == 1:
            (same if image in whole else alike).setdefault(found[0], []).append(image)
        elif found:
            matched.unclear.append(image)
            matched.unclear_files.update(found)
        else:
            matched.without_file.append(image)
    for file in {**same, **alike}:
        ones, others = same.get(file, []), alike.get(file, [])
        if len(ones) == 1 or (not ones and len(others) == 1):
            matched.by_file[file] = (ones or others)[0]
            matched.without_file += others if ones else []
        else:
            matched.unclear += ones + others
            matched.unclear_files.add(file)
    matched.unclear_files -= matched.by_file.keys()
    return matched


def shorter(path: str) -> Iterator[str]:
    """`a/b/x` gives b/x and x; of a path deeper than any data set's, the last of these."""
    parts = path.rsplit("/", _MOST_FOLDERS)
    return ("/".join(parts[start:]) for start in range(1, len(parts)))


def loose_name(name: str) -> str:
    """The name of a class as those compare it who write it in other letters."""
    return name.strip().casefold()
