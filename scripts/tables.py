"""How much memory and time a format takes for many detections: `python -m scripts.tables parquet 10000000`."""

import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from entrypoint.results.claim import claim
from entrypoint.results.formats import all_formats, write_run
from entrypoint.results.runstatus import RunStatus
from entrypoint.settings import Settings
from entrypoint.values import Detection, Record

_NAMES = tuple(f"class {number}" for number in range(80))
_A_RECORD = 10


def records(detections: int) -> Iterator[Record]:
    """Inputs of ten detections each, none of which is like the one before."""
    for number in range(0, detections, _A_RECORD):
        found = tuple(_detection(place) for place in range(number, min(number + _A_RECORD, detections)))
        yield Record(f"camera {number % 7}/{number:09}.jpg", 1920, 1080, found, sha256=f"{number:064x}")


def _detection(number: int) -> Detection:
    x, y, class_id = number * 7919 % 17_000 / 10, number * 104_729 % 9_000 / 10, number * 31 % len(_NAMES)
    box = (x, y, x + 20 + number % 200, y + 10 + number % 170)
    return Detection(_NAMES[class_id], class_id, number * 613 % 1_000_003 / 1_000_003, box)


def main(name: str, detections: int) -> None:
    """Write that many detections in the format of that name, and tell what it took."""
    (kind,) = (kind for kind in all_formats() if kind.name == name)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory() as scratch, closing(claim(Path(scratch), "exp", {})) as folder:
        began = time.monotonic()
        write_run([kind(Settings(), _NAMES)], folder, records(detections), RunStatus.claimed({}))
        seconds = time.monotonic() - began
        size = sum(path.stat().st_size for path in folder.path.iterdir() if path.is_file())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{detections:,} detections as {name}: {seconds:.1f} s, {size / 1e6:.0f} MB on disk")
    print(f"peak memory {peak / 1024:.0f} MiB, of which {before / 1024:.0f} MiB before the first of them")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
