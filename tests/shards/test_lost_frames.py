"""Detections of a video that its frames file has lost are a failure of the video, wherever records come from."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Ended, records
from tests.videos import moving

Run = Callable[..., Ended]
DETECT = ("--demo", "--nosave", "--no-report", "--imgsz", 480, "--max-failures", 5)


@pytest.fixture
def run(yolo_bac: Run, tmp_path: Path) -> Path:
    """A run of a video, of which a line of the frames file has become unreadable, and with it some detections."""
    (tmp_path / "in").mkdir()
    moving(tmp_path / "in" / "a.mp4", 4)
    assert yolo_bac(*DETECT, "--source", tmp_path / "in", "--project", tmp_path).code == 0
    frames = tmp_path / "exp" / "video-frames" / "a.mp4.jsonl"
    lines = frames.read_bytes().splitlines(keepends=True)
    assert json.loads(lines[1])["detections"]
    frames.write_bytes(b"".join([lines[0], b"x" + lines[1], *lines[2:]]))
    return tmp_path / "exp"


@pytest.mark.parametrize(
    ("command", "name"),
    [(("merge",), "merged"), (("convert-results", "--format", "predictions,coco,jsonl"), "converted")],
    ids=["merge", "convert-results"],
)
def test_a_run_that_is_made_of_it_has_a_failure_instead(
    yolo_bac: Run, run: Path, tmp_path: Path, command: tuple[str, ...], name: str
) -> None:
    ended = yolo_bac(command[0], run, "--project", tmp_path, *command[1:])
    assert ended.code == 5 and "video-frames/a.mp4.jsonl, line 2, is not a whole record" in ended.stderr
    assert ended.stderr.count("is not a whole record") == 1, "it is read once"
    (record,) = records(tmp_path / name).values()
    assert record["detections"] is None and record["failure"].startswith("damaged: ")
    coco: dict[str, Any] = json.loads((tmp_path / name / "coco.json").read_bytes())
    assert not coco["annotations"]
    (line,) = map(json.loads, (tmp_path / name / "records.jsonl").read_bytes().splitlines())
    assert line["failure"] == record["failure"]


def test_a_run_that_takes_over_looks_at_the_video_again(yolo_bac: Run, run: Path, tmp_path: Path) -> None:
    again = ("--project", tmp_path / "after", "--previous", run)
    ended = yolo_bac(*DETECT, "--source", tmp_path / "in", *again)
    assert ended.code == 0 and "results of a.mp4 cannot be taken over: damaged: " in ended.stderr
    (record,) = records(tmp_path / "after" / "exp").values()
    assert record["failure"] is None and record["detections"]
