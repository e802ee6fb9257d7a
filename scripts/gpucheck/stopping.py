"""The command itself on this device: it ends soon after SIGTERM in the middle of its work, and then goes on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from entrypoint.errors import EXIT_SIGNAL
from scripts.gpucheck.report import Report
from scripts.gpucheck.workplace import Workplace

SECTION = "stopping"
_MOST_SECONDS = 3.0  # from the signal to the end of the process; a node gives ten, or one
_PATIENCE = 120.0


def check(place: Workplace, report: Report) -> None:
    """Stop a run, look at what it left, and let the same command finish."""
    report.section(SECTION, "The command: SIGTERM during a batch, and the same command again")
    count = max(200, place.amounts.images)
    place.many(count)
    project = place.scratch / "stopped"
    side = min(place.amounts.side, 320)
    command = [sys.executable, "-m", "entrypoint", "--weights", str(place.weights), "--project", str(project)]
    command += ["--source", str(place.scratch / f"{count}-images"), "--imgsz", str(side), "--batch-size", "32"]
    command += ["--device", "cpu" if place.device.number is None else str(place.device.number)]
    command += ["--half"] if place.device.on_gpu else ["--engine", "torch"]
    command += ["--no-report"]  # which needs what a machine for this check need not have
    with (place.scratch / "stderr").open("wb") as said:
        job = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said, env=dict(os.environ))
        began = time.monotonic()
        while _records(project) < 3 and job.poll() is None and time.monotonic() - began < _PATIENCE:
            time.sleep(0.02)
        stopped = time.monotonic()
        job.send_signal(signal.SIGTERM)
        code = job.wait(_PATIENCE)
        seconds = time.monotonic() - stopped
    status, done = _status(project), _records(project)
    figures = {"exit code": code, "seconds": seconds, "state": status.get("state"), "done": done, "of": count}
    was_right = code == EXIT_SIGNAL + signal.SIGTERM and seconds < _MOST_SECONDS and status.get("state") == "stopped"
    report.row(SECTION, "stopped", figures | _last_words(place, code), was_right and 0 < done < count)
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    status = _status(project)
    counts = status.get("counts", {})
    figures = {"exit code": again.returncode, "done": counts.get("done"), "of them reused": counts.get("reused")}
    passed = again.returncode == 0 and counts.get("done") == count and counts.get("reused", 0) >= done
    report.row(SECTION, "the same command again", figures, passed)


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


def _last_words(place: Workplace, code: int) -> dict[str, str]:
    """What the command said where it did not end as it should."""
    if code == EXIT_SIGNAL + signal.SIGTERM:
        return {}
    return {"said": (place.scratch / "stderr").read_text(errors="replace")[-600:]}
