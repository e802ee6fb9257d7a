"""`yolo-bac evaluate` and `yolo-bac compare`, as a user runs them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Ended

Run = Callable[..., Ended]


@pytest.fixture
def run(yolo_bac: Run, tmp_path: Path) -> Path:
    """A run of the demo."""
    assert yolo_bac("--demo", "--project", tmp_path, "--conf-thres", "0.001", "--iou-thres", "0.6").code == 0
    return tmp_path / "exp"


def test_a_run_is_evaluated_against_its_truth(yolo_bac: Run, run: Path) -> None:
    ended = yolo_bac("evaluate", run, "--truth", run / "coco.json")
    assert ended.code == 0, ended.stderr
    assert "COCO's way:" in ended.stdout and "YOLOv5's val.py:" in ended.stdout and len(ended.stdout.encode()) < 2048
    found = json.loads((run / "evaluation.json").read_bytes())
    assert found["coco"]["AP50"] > 0.9 and found["warnings"] == []
    assert "images/scene-1.png" in (run / "evaluation.html").read_text() or not found["worst"]
    assert yolo_bac("evaluate", run, "--truth", run / "coco.json").code == 0, "its own files are replaced"


def test_files_of_somebody_else_stay_and_out_names_another_place(yolo_bac: Run, run: Path, tmp_path: Path) -> None:
    (run / "evaluation.json").write_text("theirs")
    ended = yolo_bac("evaluate", run, "--truth", run / "coco.json")
    assert ended.code == 6 and (run / "evaluation.json").read_text() == "theirs"
    assert yolo_bac("evaluate", run, "--truth", run / "coco.json", "--out", tmp_path / "a" / "b").code == 0
    assert (tmp_path / "a" / "b" / "evaluation.html").exists()


@pytest.mark.parametrize("command", [["evaluate"], ["evaluate", "--truth", "nowhere.json"], ["compare"]])
def test_what_is_missing_is_said(yolo_bac: Run, run: Path, command: list[str]) -> None:
    name, *options = command
    ended = yolo_bac(name, run, *options)
    assert ended.code in (2, 4) and ended.stderr.count("\n") <= 2, ended.stderr


def test_two_runs_are_compared(yolo_bac: Run, run: Path, tmp_path: Path) -> None:
    assert yolo_bac("--demo", "--project", tmp_path, "--conf-thres", "0.9").code == 0
    ended = yolo_bac("compare", run, tmp_path / "exp2", "--out", tmp_path / "out")
    assert ended.code == 0, ended.stderr
    assert "conf_thres: 0.001 in the first run, 0.9 in the second" in ended.stdout
    found = json.loads((tmp_path / "out" / "comparison.json").read_bytes())
    assert sum(found["detections"]["lost"].values()) > 0 and not found["detections"]["gained"]
    assert found["inputs"] == 6
