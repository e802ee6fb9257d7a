"""What must not go wrong quietly: memory that runs out in a batch, and a signal in the middle of the work."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch

from entrypoint.errors import EXIT_SIGNAL
from entrypoint.values import Failure
from scripts.gpucheck.architecture import random_network
from scripts.gpucheck.place import FULL, Place
from scripts.gpucheck.report import Report

MEMORY, STOPPING = "memory", "stopping"
_LEFT_BYTES = 48 << 20  # of the device's memory, beside what two images take
_MOST_SECONDS = 3.0  # from the signal to the end of the process; a node gives ten, or one
_PATIENCE = 120.0


def check_memory(place: Place, report: Report) -> None:
    """Halve a batch that does not fit, until it does: it gives what it gives with room for all of it."""
    report.section(MEMORY, "Memory that runs out in a batch")
    if not place.device.on_gpu:
        report.row(MEMORY, "left out", {"why": "no GPU"})
        return
    batch, side = place.amounts.batches[-1], place.amounts.side
    images = list(np.random.default_rng(2).integers(0, 256, (batch, side, side, 3), np.uint8))
    with FULL.computing():
        detector = place.loaded(random_network("s"), False, place.settings, batch).lanes[0]
        expected = [len(found) for found in detector.look(images) if not isinstance(found, Failure)]
        place.forget_peaks()
        detector.look(images[:2])
        with _taken(place):
            found = [len(one) for one in detector.look(images) if not isinstance(one, Failure)]
    # Of candidates at the threshold a batch of another size may find others.
    alike = len(found) == batch and np.allclose(found, expected, rtol=0.02, atol=2)
    fitting = min(detector.fitting.values(), default=batch)
    report.row(MEMORY, f"batch of {batch}", {"fits": fitting, "images": len(found)}, bool(alike) and fitting < batch)


@contextmanager
def _taken(place: Place) -> Iterator[None]:
    """Take the device's memory for the time of the block, but for what a batch of two has needed."""
    where = str(place.device)
    needed = torch.cuda.max_memory_allocated(where) - torch.cuda.memory_allocated(where)
    place.forget_peaks()
    held = []
    with suppress(torch.cuda.OutOfMemoryError):  # what is left is in pieces
        while (free := torch.cuda.mem_get_info(where)[0] - needed - _LEFT_BYTES) > 1 << 20:
            held.append(torch.empty(min(free, 8 << 30), dtype=torch.uint8, device=where))
    try:
        yield
    finally:
        held.clear()
        place.forget_peaks()


def check_stopping(place: Place, report: Report) -> None:
    """Stop the command with SIGTERM, look at what it left, and let the same command finish."""
    report.section(STOPPING, "The command: SIGTERM during its work, and the same command again")
    count, project = max(200, place.amounts.images), place.scratch / "stopped"
    place.many(count)
    where = ["--device", str(place.device.number), "--half"] if place.device.on_gpu else ["--device", "cpu"]
    command = [
        *(sys.executable, "-m", "entrypoint", "--engine", "torch" if not place.device.on_gpu else "auto", *where),
        *("--weights", str(place.references[0].settings.weights), "--source", str(place.scratch / f"{count}-images")),
        *("--imgsz", str(min(place.amounts.side, 320)), "--batch-size", "32", "--project", str(project)),
        "--no-report",  # which needs what a machine for this check need not have
    ]
    with (place.scratch / "stderr").open("w+b") as said:
        job = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said)
        began = time.monotonic()
        while _records(project) < 3 and job.poll() is None and time.monotonic() - began < _PATIENCE:
            time.sleep(0.02)
        stopped = time.monotonic()
        job.send_signal(signal.SIGTERM)
        code, seconds, done = job.wait(_PATIENCE), time.monotonic() - stopped, _records(project)
        figures: dict[str, Any] = {"exit code": code, "seconds": seconds, "done": done, "of": count}
        passed = code == EXIT_SIGNAL + signal.SIGTERM and seconds < _MOST_SECONDS and 0 < done < count
        if not passed:
            said.seek(0)
            figures["said"] = said.read()[-600:].decode(errors="replace")
    report.row(STOPPING, "stopped", figures, passed and _status(project).get("state") == "stopped")
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    counts = _status(project).get("counts", {})
    figures = {"exit code": again.returncode, "done": counts.get("done"), "of them reused": counts.get("reused")}
    passed = again.returncode == 0 and counts.get("done") == count and counts.get("reused", 0) >= done
    report.row(STOPPING, "the same command again", figures, passed)


def _records(project: Path) -> int:
    try:
        return (project / "exp" / "records.jsonl").read_bytes().count(b"\n")
    except OSError:
        return 0


def _status(project: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((project / "exp" / "status.json").read_bytes()))
    except (OSError, ValueError):
        return {}
