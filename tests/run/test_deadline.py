"""--time-budget: an end in time, with what is left listed, and a run that the same command continues."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from entrypoint.run.deadline import Deadline
from entrypoint.sources.samples import DEMO_SCENES
from tests.conftest import Ended, records, start
from tests.schemas import assert_valid


def test_without_a_budget_time_never_ends() -> None:
    assert not Deadline(None, 0, 1_000_000).passed()


def test_a_step_that_would_end_too_late_is_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    deadline = Deadline(20, 100, records=0)
    for now in (103, 106, 109, 112):  # what the clock shows
        with deadline.step() as in_time:
            assert in_time
            now += 3
    now = 117
    assert deadline.passed()  # a step took 3 seconds; one more and a second to spare is too much
    with deadline.step() as in_time:
        assert not in_time


def test_more_records_need_more_time_to_end() -> None:
    now = time.monotonic()
    assert not Deadline(20, now, 10_000).passed()
    assert Deadline(20, now, 100_000).passed()


def test_a_run_out_of_time_lists_what_is_left_and_is_continued(yolo_bac: Callable[..., Ended], tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    scenes = [path.read_bytes() for path in sorted(DEMO_SCENES.iterdir())]
    for number in range(400):
        (source / f"{number:03}.png").write_bytes(scenes[number % len(scenes)])
    command = ["--demo", "--source", source, "--project", tmp_path / "out", "--imgsz", 1280, "--nosave"]
    began = time.monotonic()
    job = start(*command, "--time-budget", 8)
    stdout, stderr = job.communicate(timeout=60)
    assert time.monotonic() - began < 20  # 8, and the interpreter's own start and end on a busy machine
    run = tmp_path / "out" / "exp"
    status: dict[str, Any] = json.loads((run / "status.json").read_bytes())
    assert_valid(status, "status")
    assert (job.returncode, status["state"], status["exit_code"]) == (5, "stopped", 5), stderr
    counts = status["counts"]
    assert counts["done"] > 0 and counts["not_done"] > 0 and counts["failed"] == 0
    assert stdout.startswith(f"Out of time: --time-budget 8 ended with {counts['not_done']} of 400 not done")
    listed = [record["failure"] for record in records(run).values()]
    assert listed.count("not_done: the time budget ended before its turn") == counts["not_done"]
    assert len(listed) == 400

    for path in sorted(source.iterdir())[counts["done"] + 20 :]:  # fewer will do
        path.unlink()
    ended = yolo_bac(*command)
    assert ended.code == 0
    assert json.loads((run / "status.json").read_bytes())["counts"]["reused"] == counts["done"]
