"""Which detections of one run are the same objects as which of another."""

import numpy as np
from numpy.typing import NDArray

from entrypoint.evaluate.boxes import pairwise_iou
from entrypoint.values import Detection

_SAME_OBJECT = 0.5
_OVERLAPS_AT_ONCE = 1 << 20
_BEST = 16


def pairs_of(before: list[Detection], after: list[Detection]) -> list[tuple[int, int, float]]:
    """Detections of one class that are the same object, those that overlap most first; each at most once."""
    ours, theirs = _by_class(before), _by_class(after)
    found = [_overlapping(before, after, ours[name], theirs[name]) for name in ours.keys() & theirs.keys()]
    if not found:
        return []
    a_of, b_of, iou = map(np.concatenate, zip(*found, strict=True))
    order = np.lexsort((b_of, a_of, -iou))
    pairs: list[tuple[int, int, float]] = []
    taken_before, taken_after = set[int](), set[int]()
    for a, b, overlap in zip(a_of[order].tolist(), b_of[order].tolist(), iou[order].tolist(), strict=True):
        if a not in taken_before and b not in taken_after:
            taken_before.add(a)
            taken_after.add(b)
            pairs.append((a, b, overlap))
    return pairs


def _by_class(detections: list[Detection]) -> dict[str, NDArray[np.int64]]:
    places: dict[str, list[int]] = {}
    for place, found in enumerate(detections):
        places.setdefault(found.name, []).append(place)
    return {name: np.array(own) for name, own in places.items()}


def _overlapping(
    before: list[Detection], after: list[Detection], ours: NDArray[np.int64], theirs: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Those of `ours` and `theirs` that may be the same object, and how much they overlap.

    Of each of ours only the best few: after NMS hardly two of a class overlap one box that much, and of what somebody
    else has written there may be any number.
    """
    boxes = np.array([after[place].box for place in theirs])
    parts: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]] = []
    for start in range(0, len(ours), rows := max(1, _OVERLAPS_AT_ONCE // len(theirs))):
        some = ours[start : start + rows]
        iou = pairwise_iou(np.array([before[place].box for place in some]), boxes)
        best = np.argsort(-iou, axis=1, kind="stable")[:, :_BEST]
        overlaps = np.take_along_axis(iou, best, 1)
        a, b = np.nonzero(overlaps >= _SAME_OBJECT)
        parts.append((some[a], theirs[best[a, b]], overlaps[a, b]))
    a_of, b_of, overlap = map(np.concatenate, zip(*parts, strict=True))
    return a_of, b_of, overlap
