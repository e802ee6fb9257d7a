"""`yolo-bac evaluate` and `yolo-bac compare`, as a user runs them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from entrypoint.sources.samples import DEMO_SCENES
from tests.conftest import Ended
from tests.videos import moving, shapes

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


def test_the_diagnosis_is_the_first_line_of_an_evaluation_that_fails(yolo_bac: Run, run: Path) -> None:
    with (run / "records.jsonl").open("a") as journal:
        journal.write("no record\n")
    ended = yolo_bac("evaluate", run, "--truth", "nowhere.json")
    first, *others = ended.stderr.splitlines()
    assert ended.code == 4 and "the ground truth nowhere.json cannot be read" in first
    assert any("is not a whole record" in line for line in others)


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


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Two stills, and two videos in which objects move."""
    folder = tmp_path / "mixed"
    (folder / "a").mkdir(parents=True)
    for scene in sorted(DEMO_SCENES.iterdir())[:2]:
        shutil.copy(scene, folder / scene.name)
    moving(folder / "a" / "clip.mp4", 12)
    moving(folder / "other.avi", 3)
    return folder


def test_frames_of_videos_are_evaluated_as_the_images_that_coco_json_names(
    yolo_bac: Run, mixed: Path, tmp_path: Path
) -> None:
    command = ["--demo", "--source", mixed, "--project", tmp_path, "--vid-stride", 2, "--conf-thres", 0.001]
    assert yolo_bac(*command, "--iou-thres", 0.6, "--max-det", 300, "--imgsz", 480).code == 0
    run = tmp_path / "exp"
    truth = json.loads((run / "coco.json").read_bytes())
    ids = {image["file_name"]: image["id"] for image in truth["images"]}
    assert len(ids) == 2 + 6 + 1 and "a/clip.mp4/clip_6.jpg" in ids
    drawn = {f"a/clip.mp4/clip_{number}.jpg": shapes(2 * number - 1)[1] for number in range(1, 7)}
    truth["images"] = [image for image in truth["images"] if image["file_name"] in drawn]
    truth["annotations"] = [
        {"id": 10 * ids[name] + kind, "image_id": ids[name], "category_id": kind, "iscrowd": 0}
        | {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1)}
        for name, objects in drawn.items()
        for kind, (x1, y1, x2, y2) in objects.items()
    ]
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    ended = yolo_bac("evaluate", run, "--truth", tmp_path / "truth.json")
    assert ended.code == 0, ended.stderr
    found = json.loads((run / "evaluation.json").read_bytes())
    assert found["images"] == 6 and found["coco"]["AP50"] > 0.99
    assert any("1 videos are left out" in said and "other.avi" in said for said in found["warnings"])
    assert sum(one["objects"] for one in found["classes"]) == 18


def test_runs_with_videos_are_compared_frame_by_frame(yolo_bac: Run, mixed: Path, tmp_path: Path) -> None:
    command = ["--demo", "--source", mixed, "--project", tmp_path, "--nosave", "--no-report"]
    assert yolo_bac(*command, "--name", "one").code == yolo_bac(*command, "--name", "two").code == 0
    ended = yolo_bac("compare", tmp_path / "one", tmp_path / "two", "--out", tmp_path / "out")
    same = json.loads((tmp_path / "out" / "comparison.json").read_bytes())
    assert ended.code == 0 and same["identical_inputs"] == same["inputs"] == 4 and same["detections"]["same"] > 45
    frames = tmp_path / "two" / "video-frames" / "a" / "clip.mp4.jsonl"
    lines = [json.loads(line) for line in frames.read_bytes().splitlines()]
    gone = lines[5]["detections"].pop()
    frames.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    journal = tmp_path / "two" / "records.jsonl"
    entries = {entry["file"]: entry for entry in map(json.loads, journal.read_bytes().splitlines())}
    entries["a/clip.mp4"]["detections"]["count"] -= 1
    del entries["a/clip.mp4"]["crc32"]  # which would tell
    journal.write_text("".join(f"{json.dumps(entry)}\n" for entry in entries.values()))
    assert yolo_bac("compare", tmp_path / "one", tmp_path / "two", "--out", tmp_path / "out").code == 0
    found = json.loads((tmp_path / "out" / "comparison.json").read_bytes())
    assert found["detections"]["lost"] == {gone["name"]: 1} and not found["detections"]["gained"]
    assert [(one["file"], one["lost"][0]["frame"]) for one in found["largest"]] == [("a/clip.mp4", 5)]


@pytest.mark.parametrize(
    "lose", [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:-9])], ids=["file", "line"]
)
def test_a_video_whose_frames_are_lost_is_a_failed_input(
    yolo_bac: Run, mixed: Path, tmp_path: Path, lose: Callable[[Path], object]
) -> None:
    command = ["--demo", "--source", mixed, "--project", tmp_path, "--nosave", "--no-report"]
    assert yolo_bac(*command, "--name", "one").code == yolo_bac(*command, "--name", "two").code == 0
    lose(tmp_path / "two" / "video-frames" / "a" / "clip.mp4.jsonl")
    ended = yolo_bac("compare", tmp_path / "one", tmp_path / "two", "--out", tmp_path / "out")
    said = f"{tmp_path / 'two'}: the results of a/clip.mp4 are lost: damaged: "
    assert ended.code == 0 and said in ended.stderr and "a/clip.mp4: looked at → damaged: " in ended.stdout
    ended = yolo_bac("evaluate", tmp_path / "two", "--truth", tmp_path / "one" / "coco.json")
    assert ended.code == 0 and said in ended.stderr
    warnings = json.loads((tmp_path / "two" / "evaluation.json").read_bytes())["warnings"]
    assert any("12 images of the truth are not in the run: 'a/clip.mp4/clip_1.jpg'" in line for line in warnings)
