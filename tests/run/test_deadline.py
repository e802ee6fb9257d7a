"""--time-budget: an end in time, with what is left listed, and a run that the same command continues."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from entrypoint.detect.detector import Detector
from entrypoint.run.deadline import Deadline, WritingRate
from entrypoint.sources.samples import DEMO_SCENES
from entrypoint.values import Detection, Record
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


class Slow:
    """A detector whose time is in proportion to the pixels, on a clock of its own."""

    imgsz = (16384, 16384)
    takes_any_size = True

    def __init__(self, seconds_a_megapixel: float) -> None:
        self.now, self.each = 100.0, seconds_a_megapixel

    def look(self, images: list[np.ndarray]) -> list[np.ndarray]:
        self.now += sum(image.size for image in images) / 3e6 * self.each
        return [np.empty((0, 6), np.float32)] * len(images)


@pytest.mark.parametrize(
    ("each", "budget", "fits"), [(0.1, 60, True), (0.1, 20, False), (1, 60, False), (1, None, True)]
)
def test_the_first_large_image_is_not_begun_when_it_cannot_end_in_time(
    monkeypatch: pytest.MonkeyPatch, each: float, budget: float | None, fits: bool
) -> None:
    detector = Slow(each)
    monkeypatch.setattr(time, "monotonic", lambda: detector.now)
    deadline = Deadline(budget, 100, records=1)
    assert deadline.has_time_for(cast("Detector", detector)) is fits
    with deadline.step() as in_time:
        assert in_time is fits


def test_what_was_measured_counts_for_more_than_what_was_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    detector = Slow(0.1)
    monkeypatch.setattr(time, "monotonic", lambda: detector.now)
    deadline = Deadline(60, 100, records=1)
    assert deadline.has_time_for(cast("Detector", detector))  # some 40 seconds
    with deadline.step() as in_time:
        assert in_time
        detector.now += 20
    assert not deadline.passed()


def test_a_small_size_needs_no_trial() -> None:
    detector = Slow(1000)
    detector.imgsz = (640, 640)
    assert Deadline(60, time.monotonic(), 1).has_time_for(cast("Detector", detector)) and detector.now == 100


def test_a_network_of_one_size_is_not_tried_with_another() -> None:
    detector = Slow(1000)
    detector.takes_any_size = False
    assert Deadline(60, time.monotonic(), 1).has_time_for(cast("Detector", detector)) and detector.now == 100


def test_a_slow_output_folder_ends_the_work_earlier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Detection("person", 0, 0.5, (1.0, 2.0, 3.0, 4.0))
    record = Record("a.png", 10, 10, (found,) * 10)
    write = Path.write_bytes

    def slowly(path: Path, data: bytes) -> int:
        time.sleep(0.01 + len(data) / 1_000_000)
        return write(path, data)

    deadlines = [Deadline(600, time.monotonic(), 100_000) for _ in range(2)]
    for deadline in deadlines:
        rate = WritingRate(tmp_path, deadline)
        for _ in range(300):
            rate.add(record)
        monkeypatch.setattr(Path, "write_bytes", slowly)
    assert not list(tmp_path.iterdir())
    # A megabyte a second for 100,000 records of a kilobyte, three times.
    assert [deadline.passed() for deadline in deadlines] == [False, False]
    late = time.monotonic() + 400
    monkeypatch.setattr(time, "monotonic", lambda: late)
    assert [deadline.passed() for deadline in deadlines] == [False, True]


def test_one_hiccup_of_the_disk_at_the_first_record_does_not_end_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Path.write_bytes

    def with_a_hiccup(path: Path, data: bytes) -> int:
        if data:
            time.sleep(0.01)
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", with_a_hiccup)
    deadline = Deadline(60, time.monotonic(), 10_000)
    WritingRate(tmp_path, deadline).add(Record("a.png", 10, 10, ()))
    assert not deadline.passed()  # 10 ms for each of the records, in three files, would take 300 seconds


def test_a_run_at_a_size_that_cannot_end_in_time_ends_soon(tmp_path: Path) -> None:
    began = time.monotonic()
    job = start("--demo", "--imgsz", 16384, "--project", tmp_path, "--time-budget", 8, "--nosave")
    stdout, stderr = job.communicate(timeout=100)
    assert job.returncode == 5, stderr
    assert stdout.startswith("Out of time: --time-budget 8 ended with 6 of 6 not done")
    assert time.monotonic() - began < 20


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
