"""How detections differ from those of detect.py for the same image."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from entrypoint.values import Detection, Record

_SAME_IOU = 0.5
_MARGIN = 0.1  # a detection so near the threshold may fall on either side of it


@dataclass
class Difference:
    """Sums over images. `pixels`, `confidence`: the largest differences of those that are found by both."""

    expected: int = 0
    found: int = 0
    lost: int = 0
    extra: int = 0
    sure: int = 0
    sure_lost: int = 0
    pixels: float = 0.0
    confidence: float = 0.0

    def add(self, record: Record, expected: Sequence[dict[str, Any]], threshold: float) -> None:
        """One image: its record, and detect.py's detections in the form of the reference files."""
        ours = list(record.detections or ())
        self.expected, self.found = self.expected + len(expected), self.found + len(ours)
        for theirs in sorted(expected, key=lambda one: -float(one["confidence"])):
            is_sure = theirs["confidence"] > threshold + _MARGIN
            self.sure += is_sure
            twin = _best(ours, theirs)
            if twin is None:
                self.lost, self.sure_lost = self.lost + 1, self.sure_lost + is_sure
                continue
            ours.remove(twin)
            if is_sure:
                self.pixels = max(self.pixels, float(np.abs(np.subtract(twin.box, theirs["box"])).max()))
                self.confidence = max(self.confidence, abs(twin.confidence - theirs["confidence"]))
        self.extra += len(ours)


def _best(ours: Iterable[Detection], theirs: dict[str, Any]) -> Detection | None:
    """The detection of the same class that overlaps it most."""
    alike = [(_iou(one.box, theirs["box"]), one) for one in ours if one.class_id == theirs["class"]]
    iou, best = max(alike, key=lambda pair: (pair[0], pair[1].confidence), default=(0.0, None))
    return best if iou >= _SAME_IOU else None


def _iou(box: Sequence[float], other: Sequence[float]) -> float:
    wide = min(box[2], other[2]) - max(box[0], other[0])
    high = min(box[3], other[3]) - max(box[1], other[1])
    shared = max(0.0, wide) * max(0.0, high)
    areas = sum((one[2] - one[0]) * (one[3] - one[1]) for one in (box, other))
    return shared / (areas - shared) if areas > shared else 1.0
