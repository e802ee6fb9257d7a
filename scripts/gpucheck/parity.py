"""The device finds what detect.py found, in each precision and in batches of each size."""

from pathlib import Path

from entrypoint.values import Record
from entrypoint.weights.find import find_weights
from entrypoint.weights.registry import load_network
from scripts.benchmark.workload import Workload
from scripts.gpucheck.matching import Difference
from scripts.gpucheck.place import FULL, HALF, PRECISIONS, Precision, computing, loaded
from scripts.gpucheck.report import Report
from scripts.gpucheck.workplace import Reference, Workplace

SECTION = "parity"
# Exact arithmetic agrees but for the order of its sums; a box in a hundred may stand where a threshold is.
_MOST_PIXELS, _MOST_CONFIDENCE, _MOST_ODD = 0.6, 1e-3, 0.01
# With inputs of ten bits, of the boxes that detect.py is sure of.
_MOST_LOST = 0.05


def check(place: Workplace, report: Report) -> None:
    """A row for each reference and precision, and for the first reference for each size of batch."""
    report.section(SECTION, "Parity with detect.py: boxes expected, lost, extra; largest differences of sure ones")
    for precision in PRECISIONS:
        for number, reference in enumerate(place.references):
            sizes = place.amounts.batches if number == 0 else place.amounts.batches[1:2]
            for batch in sizes:
                what = f"{precision.name}, {reference.name}, batch {batch}"
                if report.has_time_for(what, 10):
                    _compare(place, report, what, precision, reference, batch)


def _compare(
    place: Workplace, report: Report, what: str, precision: Precision, reference: Reference, batch: int
) -> None:
    difference = _difference(place, precision, reference, batch)
    odd = difference.lost + difference.extra
    figures = {
        "expected": difference.expected,
        "lost": difference.lost,
        "extra": difference.extra,
        "sure": difference.sure,
        "sure lost": difference.sure_lost,
        "pixels": difference.pixels,
        "confidence": difference.confidence,
    }
    if precision in (FULL, HALF):
        passed = difference.sure_lost <= _MOST_LOST * difference.sure
    else:
        passed = odd <= _MOST_ODD * difference.expected and difference.sure_lost == 0
        passed &= difference.pixels <= _MOST_PIXELS and difference.confidence <= _MOST_CONFIDENCE
    report.row(SECTION, what, figures, passed)


def _difference(place: Workplace, precision: Precision, reference: Reference, batch: int) -> Difference:
    """Over enough repetitions of the images that batches of that size are filled."""
    settings = reference.settings
    weights = find_weights(settings.weights, ())
    copies = max(1, batch // 4)
    media = place.many(copies * len(place.images))
    found: list[Record] = []
    with computing(precision):
        network = load_network(weights.path, weights.kind)
        work = Workload(loaded(network, place.device, precision, settings, batch), media, settings, place.scratch)
        work.job(nosave=True, on_record=lambda _, record: found.append(record))
    difference = Difference()
    for record in found:
        name = Path(record.file).name.partition("-")[2]
        if name in reference.images:
            expected = reference.images[name]["detections"]
            difference.add(record, expected, settings.conf_thres)
    return difference
