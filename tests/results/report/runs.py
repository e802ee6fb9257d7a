"""Runs for the report's tests: records of which some are hostile, and the status that goes with them."""

import random
from collections.abc import Iterator

from entrypoint.results.report.collect import Collected
from entrypoint.results.runstatus import RunStatus
from entrypoint.values import Detection, Failure, Record

NAMES = ("<img src=x onerror=window.hacked=1>", "</script><script>window.hacked=2</script>", "{{ 7 * 7 }}", *"abcdefgh")
STATUS = RunStatus(
    state="finished",
    exit_code=5,
    message="1 of 5 images failed; <b>7</b> detections in the other 4.",
    identity={},
    settings={"imgsz": [640, 640], "weights": "<script>window.hacked=3</script>", "classes": None},
    weights={"file": "/inputs/<i>.pt", "sha256": "0" * 64},
    versions={"yolo-bac": "1"},
    started="2026-01-02T03:00:00+00:00",
    throughput={"seconds": 0.5, "done": [1, 4, 2]},
)


def records(count: int) -> Iterator[Record]:
    """That many inputs, one in a hundred of them failed, with about five detections each."""
    random_ = random.Random(1)
    for number in range(count):
        file = f"camera {number % 7}/<b>&amp;/{number:06}.JPG"
        if number % 100 == 7:
            yield Record.failed(file, Failure("truncated", "an <i>end</i> is missing"))
            continue
        found = sorted((_detection(random_) for _ in range(random_.choice([0, 1, 2, 5, 8, 16]))), key=_certainty)
        yield Record(file, 1920, 1080, tuple(found))


def _certainty(found: Detection) -> float:
    return -found.confidence


def _detection(random_: random.Random) -> Detection:
    x, y = random_.uniform(0, 1800), random_.uniform(0, 900)
    class_id = min(len(NAMES) - 1, int(random_.expovariate(0.3)))
    box = (x, y, x + random_.uniform(5, 100), y + random_.uniform(5, 150))
    return Detection(NAMES[class_id], class_id, round(random_.uniform(0.25, 1), 6), box)


def collected(count: int) -> Collected:
    """What a report gathers of so many inputs."""
    gathered = Collected()
    for record in records(count):
        gathered.add(record)
    return gathered
