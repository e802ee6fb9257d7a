"""The device finds what detect.py found, in each precision and in batches of each size."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from entrypoint.evaluate.boxes import pairwise_iou
from entrypoint.values import Detection, Record
from entrypoint.weights.find import find_weights
from entrypoint.weights.registry import load_network
from scripts.benchmark.workload import Workload
from scripts.gpucheck.place import EXACT, FULL, HALF, Place, Precision, Reference
from scripts.gpucheck.report import Report

SECTION = "parity"
_SAME_IOU = 0.5
_MARGIN = 0.1  # a detection so near the threshold may fall on either side of it
# Exact arithmetic agrees but for the order of its sums; a box in a hundred may stand where a threshold is.
_MOST_PIXELS, _MOST_CONFIDENCE, _MOST_ODD = 0.6, 1e-3, 0.01
# With inputs of ten bits, of the boxes that detect.py is sure of.
_MOST_LOST = 0.05


@dataclass
class Difference:
    """Sums over images. `pixels`, `confidence`: the largest differences of those that are found by both."""

    expected: int = 0
    lost: int = 0
    extra: int = 0
    sure: int = 0
    sure_lost: int = 0
    pixels: float = 0.0
    confidence: float = 0.0

    def add(self, record: Record, expected: Sequence[dict[str, Any]], threshold: float) -> None:
        """Add an image: its record, and detect.py's detections in the form of the reference files."""
        ours = list(record.detections or ())
        self.expected += len(expected)
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

    @property
    def is_exact(self) -> bool:
        """Whether it is no more than the order of sums explains."""
        few = self.lost + self.extra <= _MOST_ODD * self.expected and not self.sure_lost
        return few and self.pixels <= _MOST_PIXELS and self.confidence <= _MOST_CONFIDENCE


def check(place: Place, report: Report) -> None:
    """Add a row for each precision and size of batch, over all references."""
    report.section(SECTION, "Parity with detect.py: boxes expected, lost, extra; largest differences of sure ones")
    for precision in (EXACT, FULL, HALF):
        for batch in place.amounts.batches:
            what = f"{precision.name}, batch {batch}"
            if not report.has_time_for(what, 10):
                continue
            difference = Difference()
            with precision.computing():
                for reference in place.references:
                    _compare(place, precision, reference, batch, difference)
            is_right = difference.is_exact or (precision is not EXACT and _keeps_sure_boxes(difference))
            report.row(SECTION, what, asdict(difference), is_right)


def _keeps_sure_boxes(difference: Difference) -> bool:
    return difference.sure_lost <= _MOST_LOST * difference.sure


def _compare(place: Place, precision: Precision, reference: Reference, batch: int, difference: Difference) -> None:
    """Add one reference, over enough repetitions of the images that batches of that size are filled."""
    settings = reference.settings
    weights = find_weights(settings.weights, ())
    network = load_network(weights.path, weights.kind)
    media = place.many(max(1, batch // 4) * len(place.images))
    found: list[Record] = []
    work = Workload(place.loaded(network, precision.half, settings, batch), media, settings, place.scratch)
    work.job(nosave=True, on_record=lambda _, record: found.append(record))
    for record in found:
        name = Path(record.file).name.partition("-")[2]
        if name in reference.images:
            difference.add(record, reference.images[name]["detections"], settings.conf_thres)


def _best(ours: Iterable[Detection], theirs: dict[str, Any]) -> Detection | None:
    """Return the detection of the same class that overlaps it most."""
    alike = [one for one in ours if one.class_id == theirs["class"]]
    if not alike:
        return None
    (overlaps,) = pairwise_iou(np.array([theirs["box"]], np.float64), np.array([one.box for one in alike])).tolist()
    iou, best = max(zip(overlaps, alike, strict=True), key=lambda pair: (pair[0], pair[1].confidence))
    return best if iou >= _SAME_IOU else None
