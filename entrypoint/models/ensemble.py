"""Several networks that look at the same pixels, as one: their candidates meet before NMS, as detect.py has it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from entrypoint.errors import NotADetectorError
from entrypoint.models.network import Candidates, Network, Output

Fixed = TypeVar("Fixed")
Run = Callable[[NDArray[np.float32]], Sequence[Output]]


class Ensemble(Network):
    """Its outputs are those of its members, one after another. Classes are the same where their names are.

    Unlike detect.py's, which takes networks of one list of classes alone, it has the classes of all: those of the first
    member, then those that the others add. What its family does by default is what the first member's does.
    """

    def __init__(self, members: Sequence[Network]) -> None:
        """Raises NotADetectorError for members that take no images of one size."""
        self.members = tuple(members)
        self.names, self._classes = _united([member.names for member in members])
        self.stride = max(member.stride for member in members)
        self.size = _one_of({member.size for member in members if member.size}, "images of different fixed sizes")
        _require_strides(self.size, [member.stride for member in members if not member.size])
        self.batch = _one_of({member.batch for member in members if member.batch}, "batches of different fixed sizes")
        self.square = any(member.square for member in members)
        self.augments = all(member.augments for member in members)
        self.family = replace(members[0].family, nms=True)
        self._ends = [0, *accumulate(len(member.graph.outputs) for member in members)]

    def require(self, shape: tuple[int, ...]) -> None:
        for member in self.members:
            member.require(shape)

    def candidates(self, outputs: Sequence[Output], threshold: float, multi_label: bool = False) -> Candidates:
        return self._joined(
            member.candidates(outputs[start:end], threshold, multi_label)
            for member, (start, end) in zip(self.members, pairwise(self._ends), strict=True)
        )

    def augmented(
        self, pixels: NDArray[np.float32], run: Run, threshold: float, multi_label: bool = False
    ) -> Candidates:
        looks: list[tuple[NDArray[np.float32], Sequence[Output]]] = []

        def run_once(look: NDArray[np.float32]) -> Sequence[Output]:
            """The outputs of all members, computed once where several take the same look."""
            for known, outputs in looks:
                if known.shape == look.shape and np.array_equal(known, look):
                    return outputs
            looks.append((look, run(look)))
            return looks[-1][1]

        def run_member(start: int, end: int) -> Run:
            return lambda look: run_once(look)[start:end]

        return self._joined(
            member.augmented(pixels, run_member(start, end), threshold, multi_label)
            for member, (start, end) in zip(self.members, pairwise(self._ends), strict=True)
        )

    def _joined(self, found: Iterable[Candidates]) -> Candidates:
        images, rows = [], []
        for classes, (image, theirs) in zip(self._classes, found, strict=True):
            images.append(image)
            ours = theirs.copy()
            ours[:, 5] = classes[theirs[:, 5].astype(np.int64)]
            rows.append(ours)
        return np.concatenate(images), np.concatenate(rows)


def _united(lists: Sequence[tuple[str, ...]]) -> tuple[tuple[str, ...], list[NDArray[np.float32]]]:
    """All names, and for each list the place of its names among them."""
    names = list(lists[0])
    places: list[NDArray[np.float32]] = [np.arange(len(names), dtype=np.float32)]
    for other in lists[1:]:
        names += [name for name in dict.fromkeys(other) if name not in names]
        places.append(np.array([names.index(name) for name in other], np.float32))
    return tuple(names), places


def _require_strides(size: tuple[int, int] | None, strides: Sequence[int]) -> None:
    """Raise NotADetectorError where the only size that a member takes is no multiple of another member's stride."""
    for stride in strides:
        if size and any(side % stride for side in size):
            raise NotADetectorError(
                f"the networks of this ensemble take no images of one size: one takes {size[0]} × {size[1]} alone, and "
                f"another only multiples of its stride, {stride}"
            )


def _one_of(found: set[Fixed], what: str) -> Fixed | None:
    if len(found) > 1:
        raise NotADetectorError(f"the networks of this ensemble take {what}: {' and '.join(map(str, found))}")
    return next(iter(found), None)
