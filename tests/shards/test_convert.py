"""convert-results: the same bytes as --format would have left at run time."""

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from entrypoint.shards import convert
from entrypoint.sources.samples import DEMO_SCENES
from tests.conftest import Ended, records
from tests.videos import make_video, moving

Run = Callable[..., Ended]
FORMATS = "frames,json,predictions,coco,jsonl,csv,parquet,yolo,voc,cvat,labelstudio,coco-results,megadetector"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Scenes in a tree, an input that fails, a video, and one in which there is nothing to be found."""
    folder = tmp_path / "in"
    (folder / "a b").mkdir(parents=True)
    for name, scene in zip(("a b/ü (1).png", "a b/x.png", "x.png"), sorted(DEMO_SCENES.iterdir()), strict=False):
        shutil.copy(scene, folder / name)
    moving(folder / "a b" / "moving.mp4", 4)
    make_video(folder / "grey.mkv", [np.full((64, 64, 3), 128, np.uint8)] * 3)
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 and no more")
    return folder


def tree(run: Path) -> dict[str, bytes]:
    """The files of a run but its journal and its status."""
    files = {path.relative_to(run).as_posix(): path for path in run.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if name not in ("status.json", "records.jsonl")}


def test_every_format_is_what_the_run_would_have_left(yolo_bac: Run, source: Path, tmp_path: Path) -> None:
    command = ("--demo", "--source", source, "--project", tmp_path, "--no-report", "--nosave")
    assert yolo_bac(*command, "--format", FORMATS).code == 5
    left = tree(tmp_path / "exp")
    assert len(left) > 20 and {"video-frames/a b/moving.mp4.jsonl", "video-frames/grey.mkv.jsonl"} <= set(left)
    assert len(json.loads(left["labels/a b/moving.mp4.json"])["detections"]) > 8
    assert not any(name.startswith(("yolo/labels/grey", "voc/Annotations/grey")) for name in left)
    ended = yolo_bac("convert-results", tmp_path / "exp", "--project", tmp_path, "--format", FORMATS)
    assert ended.code == 0, ended.stderr
    assert tree(tmp_path / "converted") == left
    assert "yolo is a format for stills: 2 videos left out" in ended.stderr
    again = yolo_bac("convert-results", tmp_path / "converted", "--project", tmp_path, "--format", FORMATS)
    assert again.code == 0 and tree(tmp_path / "converted2") == left, "what was converted is a run itself"


def test_coco_results_have_the_ids_of_the_ground_truth(yolo_bac: Run, source: Path, tmp_path: Path) -> None:
    assert yolo_bac("--demo", "--source", source, "--project", tmp_path, "--nosave").code == 5
    names = ("ü (1).png", "a b/x.png", "moving.mp4/moving_2.jpg")
    truth = {
        "images": [{"id": 500 + number, "file_name": name} for number, name in enumerate(names)],
        "categories": [{"id": 90, "name": "circle"}],
    }
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    options = ("--project", tmp_path, "--format", "coco-results", "--truth", tmp_path / "truth.json")
    assert yolo_bac("convert-results", tmp_path / "exp", *options).code == 0
    results = json.loads((tmp_path / "converted" / "coco_results.json").read_bytes())
    assert {502} <= {one["image_id"] for one in results} <= {500, 501, 502}
    assert {one["category_id"] for one in results} == {90}


def test_coco_results_find_images_as_an_evaluation_does(yolo_bac: Run, tmp_path: Path) -> None:
    """By paths of which one ends in the other, and by no name that two images have; what is left out is said."""
    for file in ("a/x.png", "b/x.png", "y.png"):
        (tmp_path / "in" / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(DEMO_SCENES / "scene-1.png", tmp_path / "in" / file)
    assert yolo_bac("--demo", "--source", tmp_path / "in", "--project", tmp_path, "--nosave").code == 0
    images = [{"id": 7, "file_name": "x.png"}, {"id": 8, "file_name": "val2017/y.png"}]
    truth = {"images": images, "categories": [{"id": 90, "name": "Circle"}]}
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    options = ("--project", tmp_path, "--format", "coco-results", "--truth", tmp_path / "truth.json")
    ended = yolo_bac("convert-results", tmp_path / "exp", *options)
    results = json.loads((tmp_path / "converted" / "coco_results.json").read_bytes())
    assert {(one["image_id"], one["category_id"]) for one in results} == {(8, 90)}
    assert "leaves out what the ground truth does not have: 2 images, " in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "no format is named"),
        (("--format", "no-json"), 2, "no format is named"),
        (("--format", "coco-results", "--truth", "nowhere.json"), 4, "nowhere.json cannot be read"),
        (
            ("--format", "yolo,images"),
            2,
            "is written while images are looked at: only a run can do that; expected some of coco, ",
        ),
        (
            ("--format", "videos"),
            2,
            "is written while images are looked at: only a run can do that; expected some of coco, ",
        ),
        (("--format", "coco", "--truth", "nowhere.json"), 2, "--truth is for --format coco-results"),
        (("--format", "yola"), 2, "expected names of"),
    ],
)
def test_what_cannot_be_converted_is_refused(
    yolo_bac: Run, tmp_path: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    assert yolo_bac("--demo", "--project", tmp_path, "--nosave", "--no-report").code == 0
    ended = yolo_bac("convert-results", tmp_path / "exp", "--project", tmp_path, *arguments)
    assert (ended.code, said in ended.stderr) == (code, True), ended.stderr
    assert not (tmp_path / "converted").exists()


def test_a_folder_that_holds_no_run_is_named(yolo_bac: Run, tmp_path: Path) -> None:
    ended = yolo_bac("convert-results", tmp_path, "--project", tmp_path, "--format", "yolo")
    assert ended.code == 4 and f"{tmp_path} holds no run" in ended.stderr


def test_a_video_whose_frames_are_lost_is_a_failure_of_the_converted_run(yolo_bac: Run, tmp_path: Path) -> None:
    video = moving(tmp_path / "a.mp4", 3)
    assert yolo_bac("--demo", "--source", video, "--project", tmp_path, "--nosave", "--no-report").code == 0
    (tmp_path / "exp" / "video-frames" / "a.mp4.jsonl").unlink()
    ended = yolo_bac("convert-results", tmp_path / "exp", "--project", tmp_path, "--format", "predictions")
    assert ended.code == 5 and "video-frames/a.mp4.jsonl cannot be read" in ended.stderr
    (record,) = json.loads((tmp_path / "converted" / "predictions.json").read_bytes())["images"]
    assert record["detections"] is None and record["failure"].startswith("damaged: ")


def test_what_a_run_without_time_has_not_looked_at_is_said_to_be_missing(yolo_bac: Run, tmp_path: Path) -> None:
    assert yolo_bac("--demo", "--project", tmp_path, "--time-budget", "0.001").code == 5
    ended = yolo_bac("convert-results", tmp_path / "exp", "--project", tmp_path, "--format", "csv")
    assert ended.code == 0
    assert "exp is stopped: what it has not looked at is left out" in ended.stderr


def test_results_that_the_file_system_has_no_name_for_are_lost_and_the_others_are_written(
    yolo_bac: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    still, video = "x" * 100 + ".png", "x" * 100 + ".mp4"
    for name, scene in zip((still, "y.png"), sorted(DEMO_SCENES.iterdir()), strict=False):
        shutil.copy(scene, tmp_path / "in" / name)
    moving(tmp_path / "in" / video, 3)
    command = ("--demo", "--source", tmp_path / "in", "--project", tmp_path, "--nosave", "--no-report")
    assert yolo_bac(*command, "--format", "no-json").code == 0
    real = os.link

    def link(source: Any, name: Any, **more: Any) -> None:
        if len(str(name)) > 100:
            raise OSError(errno.ENAMETOOLONG, "File name too long")
        real(source, name, **more)

    monkeypatch.setattr(os, "link", link)
    ended = yolo_bac("convert-results", tmp_path / "exp", "--project", tmp_path, "--format", "json,predictions")
    assert ended.code == 5, ended.stderr
    for what in (f"video-frames/{video}.jsonl", video, still):
        assert f"{what}: not_written: the name of its result is too long" in ended.stderr
    assert [path.name for path in (tmp_path / "converted" / "labels").iterdir()] == ["y.png.json"]
    failures = {name: record["failure"] for name, record in records(tmp_path / "converted").items()}
    assert failures[video].startswith("damaged: ") and (failures[still], failures["y.png"]) == (None, None)
    assert yolo_bac("merge", tmp_path / "exp", "--project", tmp_path).code == 5
    assert {name: record["failure"] for name, record in records(tmp_path / "merged").items()} == failures


def test_a_run_without_its_journal_is_no_source(yolo_bac: Run, tmp_path: Path) -> None:
    assert yolo_bac("--demo", "--project", tmp_path, "--nosave", "--no-report").code == 0
    (tmp_path / "exp" / "records.jsonl").unlink()
    ended = yolo_bac("convert-results", tmp_path / "exp", "--project", tmp_path, "--format", "csv")
    assert ended.code == 4 and "records.jsonl cannot be read: No such file" in ended.stderr
    assert not (tmp_path / "converted").exists()


def test_inputs_that_would_share_a_label_file_are_refused_before_anything_is_said_or_written(
    yolo_bac: Run, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    for name, scene in zip(("x.png", "x.bmp"), sorted(DEMO_SCENES.iterdir()), strict=False):
        shutil.copy(scene, tmp_path / "in" / name)
    command = ("--demo", "--source", tmp_path / "in", "--project", tmp_path, "--nosave", "--no-report")
    assert yolo_bac(*command).code == 0
    with (tmp_path / "exp" / "records.jsonl").open("a") as journal:
        journal.write("no record\n")
    ended = yolo_bac("convert-results", tmp_path / "exp", "--project", tmp_path, "--format", "yolo")
    assert ended.code == 2 and "would share one label file" in ended.stderr.splitlines()[0], ended.stderr
    assert not (tmp_path / "converted").exists()


def test_a_limit_that_a_conversion_runs_into_is_what_its_status_says(
    yolo_bac: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def short(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    assert yolo_bac("--demo", "--project", tmp_path).code == 0
    monkeypatch.setattr(convert, "write_run", short)
    ended = yolo_bac("convert-results", tmp_path / "exp", "--project", tmp_path, "--format", "csv")
    status = json.loads((tmp_path / "converted" / "status.json").read_bytes())
    assert (ended.code, status["state"], status["exit_code"]) == (7, "failed", 7)
    assert status["message"] in ended.stderr
