"""Which file is the checkpoint: by content, wherever it lies and whatever it is called."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from entrypoint.errors import NotADetectorError, WeightsError
from entrypoint.host.shortage import raise_if_out_of_files
from entrypoint.sources.extent import change
from entrypoint.sources.filetype import GIT_LFS, HTML, XML, FileType, identify
from entrypoint.weights import registry
from entrypoint.weights.advice import article, refusal
from entrypoint.weights.inspect import facts_of

_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Weights:
    """A file that holds a model; or an ensemble, whose `members` are such files, and whose path is the first one's.

    `status`: the system's account of the file, or of the first member, when its sha256 was taken.
    """

    path: Path
    kind: FileType
    size: int
    sha256: str
    status: os.stat_result
    members: "tuple[Weights, ...]" = ()

    @property
    def label(self) -> str:
        """The file, or all files, for a person."""
        return " + ".join(str(one.path) for one in self.members or (self,))

    def require_unchanged(self) -> None:
        """Raise WeightsError if a file is not the one any more whose sha256 was taken."""
        for one in self.members or (self,):
            if failure := change(str(one.path), one.status):
                raise WeightsError(f"{one.path} was {failure.detail}")


def find_weights(wanted: str | None, places: Sequence[Path]) -> Weights:
    """The one checkpoint to use, or the ensemble.

    `wanted` is a file, a folder, or the name of a file below one of `places`; without it the first of `places` that
    holds a candidate is taken. Several lines are an ensemble, each line one of its members. Raises WeightsError when
    there is none, or several different ones.
    """
    if wanted is None or "\n" not in wanted or os.path.lexists(wanted):
        return _find_one(wanted, places)
    members = tuple(_find_one(line, places) for line in wanted.split("\n"))
    # Which files, and in which order: the class ids are those of the first.
    digest = hashlib.sha256("\n".join(one.sha256 for one in members).encode()).hexdigest()
    kind = FileType("weights", f"ensemble of {len(members)} files")
    return Weights(members[0].path, kind, sum(one.size for one in members), digest, members[0].status, members)


def _find_one(wanted: str | None, places: Sequence[Path]) -> Weights:
    groups = _groups(wanted, places)
    seen: list[tuple[Path, FileType | str]] = []
    for label, paths in groups:
        here = [(path, _identify(path)) for path in paths]
        seen += here
        of_models = [(path, kind) for path, kind in here if isinstance(kind, FileType) and kind.family == "weights"]
        # Exports to formats that are not run often lie beside the network that they were made from.
        candidates = _distinct([one for one in of_models if registry.knows(one[1])] or of_models)
        if len(candidates) == 1:
            return _runnable(candidates[0])
        if candidates:
            raise _several(label, candidates)
        if _was_meant_as_weights(here):
            break
    # An image without weights of its own has an empty place for them, which is no news to anybody.
    labels = [label for label, paths in groups if wanted or paths or label == str(places[0])]
    raise _none(labels, seen)


def _family(kind: FileType | str) -> str | None:
    return kind.family if isinstance(kind, FileType) else None


def _was_meant_as_weights(found: list[tuple[Path, FileType | str]]) -> bool:
    """Whether a place without a candidate holds a failed one, so that other weights would be a silent surprise."""
    if any(_family(kind) == "damaged" or kind in (HTML, XML, GIT_LFS) for _, kind in found):
        return True
    return bool(found) and not any(_family(kind) in ("image", "video", "archive") for _, kind in found)


def _groups(wanted: str | None, places: Sequence[Path]) -> list[tuple[str, list[Path]]]:
    """Files to judge together, with what to call them; the first group that holds a candidate decides."""
    if wanted is None:
        return [(str(place), list(_files(place))) for place in places if os.path.lexists(place)]
    if os.path.lexists(wanted):
        return [(wanted, list(_files(Path(wanted))))]
    named = [path for place in places for path in _files(place) if f"/{path}".endswith(f"/{wanted}")]
    looked = " or ".join(str(place) for place in places)
    if not named:
        below = f", nor one of that name under {looked}" if places else ""
        raise WeightsError(f"weights {wanted!r}: there is no such file{below}")
    return [(f"the name {wanted} in {looked}", named)]


def _files(root: Path) -> Iterator[Path]:
    """Regular files at or below `root`, links followed, each real folder once."""
    if not root.is_dir():
        yield root
        return
    entered: set[tuple[int, int]] = set()
    for folder, folders, files in os.walk(root, followlinks=True):
        status = os.stat(folder)  # noqa: PTH116
        if (status.st_dev, status.st_ino) in entered:
            folders.clear()
            continue
        entered.add((status.st_dev, status.st_ino))
        folders.sort()
        yield from (Path(folder, file) for file in sorted(files))


def _identify(path: Path) -> FileType | str:
    """The type of a file, or why it cannot be told."""
    try:
        if not path.is_file():
            return "a link to nothing" if path.is_symlink() else "not a regular file"
        return identify(path)
    except OSError as error:
        raise_if_out_of_files(error)
        return f"not readable ({error.strerror})"


def _distinct(candidates: Iterable[tuple[Path, FileType]]) -> list[Weights]:
    """The candidates, one for each content."""
    found: dict[str, Weights] = {}
    for path, kind in candidates:
        try:
            with path.open("rb") as file:
                status, digest = os.fstat(file.fileno()), hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise_if_out_of_files(error)
            raise WeightsError(f"{path} cannot be read: {error.strerror}") from error
        found.setdefault(digest, Weights(path, kind, status.st_size, digest, status))
    return list(found.values())


def _runnable(weights: Weights) -> Weights:
    if registry.knows(weights.kind):
        return weights
    raise NotADetectorError(f"{weights.path}: {refusal(weights.kind)}")


def _several(label: str, candidates: list[Weights]) -> WeightsError:
    rows = [
        f"  {weights.path}  {facts_of(weights.path, weights.kind, weights.sha256).summary}"
        for weights in candidates[:_SHOWN]
    ]
    more = [f"  and {len(candidates) - _SHOWN} more"] if len(candidates) > _SHOWN else []
    advice = f"choose one with --weights, for example: --weights {candidates[0].path}"
    return WeightsError(f"{len(candidates)} models under {label}, expected one; {advice}", [*rows, *more])


def _none(labels: list[str], seen: list[tuple[Path, FileType | str]]) -> WeightsError:
    expected = "expected a YOLOv5 checkpoint (.pt), under any name"
    if not labels:
        return WeightsError(
            f"no weights: there is no /inputs; {expected}. Mount one there "
            '(`-v "$PWD/yolov5s.pt:/inputs/yolov5s.pt:ro"`, on Bacalhau `-i https://…/yolov5s.pt`), '
            "name one with --weights, or try --demo"
        )
    if not seen:
        return WeightsError(
            f"no weights: {labels[0]} is an empty folder; {expected}. Mount one there, or name one with --weights"
        )
    if len(seen) == 1:
        path, kind = seen[0]
        return WeightsError(f"no weights: {path} is {_what(kind)}; {expected}")
    rows = [f"  {path}: {_what(kind)}" for path, kind in seen[:_SHOWN]]
    more = [f"  and {len(seen) - _SHOWN} more"] if len(seen) > _SHOWN else []
    where = ", ".join(labels)
    message = f"no weights among the {len(seen)} files under {where}; {expected}. Found:"
    return WeightsError(message, [*rows, *more])


def _what(kind: FileType | str) -> str:
    if isinstance(kind, str):
        return kind
    return kind.name if kind.family in ("document", "empty", "damaged", "unknown") else article(kind.name)
