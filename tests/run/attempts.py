"""Attempts at one job: those that are killed, the one that comes to its end, and what they leave."""

import json
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.conftest import start

Moment = Callable[["subprocess.Popen[str]"], None]
"""Returns when it is time to kill that process."""

_OF_THE_RUN = ("status.json", "records.jsonl", "index.html")


def killed(command: list[object], project: Path, moment: Moment) -> bool:
    """Run until it is time; False where the run has come to its end by then."""
    job = start(*command, "--project", project)
    moment(job)
    job.send_signal(signal.SIGKILL)
    job.communicate()
    return job.returncode == -signal.SIGKILL


def ended(command: list[object], project: Path) -> None:
    """Run to the end, unless an earlier attempt has come there."""
    if not (project / "exp" / "predictions.json").exists():
        job = start(*command, "--project", project)
        _, stderr = job.communicate()
        assert job.returncode == 0, stderr


def after_a_segment(project: Path, seconds: float) -> Moment:
    """So long after the journal has a segment more than now, or after the run has ended without one."""
    before = len(segments(project))

    def wait(job: "subprocess.Popen[str]") -> None:
        while len(segments(project)) == before and job.poll() is None:
            time.sleep(0.01)
        time.sleep(seconds)

    return wait


def segments(project: Path) -> list[int]:
    """The numbers of the segments that the attempts have written down, in the order in which they did."""
    journal = project / "exp" / "records.jsonl"
    return [int(number) for number in re.findall(rb', "segment": (\d+), .*\n', _content(journal))]


def _content(file: Path) -> bytes:
    return file.read_bytes() if file.exists() else b""


def results(run: Path) -> dict[str, bytes]:
    """All that a run has left, but for what is said of the run itself."""
    paths = (path for path in run.rglob("*") if path.is_file() and path.name not in _OF_THE_RUN)
    found = {path.relative_to(run).as_posix(): path.read_bytes() for path in paths}
    for name in ("predictions.json", "coco.json"):
        plain = json.loads(found[name])
        del plain["info"]
        found[name] = json.dumps(plain).encode()
    return found
