"""The program's detections are detect.py's, at any batch size and in any order."""

import json
import random
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Ended, records, start

REFERENCES = [
    "default",
    "imgsz-320",
    "imgsz-1280",
    "augment",
    "agnostic-iou-0.3",
    "classes-0-2",
    "conf-0.001-iou-0.6-maxdet-300",
    "custom-conf-0.1",
]
Run = Callable[..., Ended]


def load_reference(data: Path, name: str) -> tuple[list[str], dict[str, Any]]:
    """Options of the command, and detections by image, of one file of detect.py's results."""
    reference = json.loads((data / "reference" / f"{name}.json").read_bytes())
    arguments = []
    for option, value in reference["options"].items():
        values = value if isinstance(value, list) else [value]
        arguments += [f"--{option}"] + ([] if value is True else [str(v) for v in values])
    place = arguments.index("--weights") + 1
    arguments[place] = str(data / "weights" / arguments[place])
    return arguments, reference["images"]


def assert_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """Same count and classes; boxes within 0.51 px, as detect.py rounds; confidences within 1e-4."""
    assert found["failure"] is None
    assert (found["width"], found["height"]) == (expected["width"], expected["height"])
    theirs = sorted(expected["detections"], key=lambda d: -d["confidence"])
    assert len(found["detections"]) == len(theirs)
    for ours, other in zip(found["detections"], theirs, strict=True):
        assert ours["class"] == other["class"]
        assert ours["confidence"] == pytest.approx(other["confidence"], abs=1e-4)
        assert list(ours["box"].values()) == pytest.approx(other["box"], abs=0.51)


def test_every_reference_is_compared(data: Path) -> None:
    assert {path.stem for path in (data / "reference").iterdir()} == set(REFERENCES)


@pytest.mark.parametrize("engine", ["torch", "onnx"])
@pytest.mark.parametrize("batch_size", [1, 3, 16])
@pytest.mark.parametrize("name", REFERENCES)
def test_detections_are_those_of_detect_py(
    yolo_bac: Run, data: Path, tmp_path: Path, name: str, batch_size: int, engine: str
) -> None:
    options, expected = load_reference(data, name)
    source = ["--source", data / "images", "--project", tmp_path, "--batch-size", batch_size, "--nosave"]
    ended = yolo_bac(*options, *source, "--engine", engine)
    assert ended.code == 0, ended.stderr
    found = records(tmp_path / "exp")
    assert found.keys() == expected.keys()
    for file, image in expected.items():
        assert_same(found[file], image)


@pytest.mark.parametrize("name", REFERENCES)
def test_the_order_of_inputs_changes_nothing(yolo_bac: Run, data: Path, tmp_path: Path, name: str) -> None:
    options, expected = load_reference(data, name)
    files = sorted(expected)
    random.Random(name).shuffle(files)
    shuffled = tmp_path / "in"
    shuffled.mkdir()
    for position, file in enumerate(files):
        (shuffled / f"{position:02}-{file}").symlink_to(data / "images" / file)
    ended = yolo_bac(*options, "--source", shuffled, "--project", tmp_path, "--batch-size", 3, "--nosave")
    assert ended.code == 0, ended.stderr
    found = records(tmp_path / "exp")
    assert len(found) == len(expected)
    for file, record in found.items():
        assert_same(record, expected[file.partition("-")[2]])


def test_weights_under_a_uuid_in_an_otherwise_empty_folder(data: Path, tmp_path: Path) -> None:
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    (inputs / str(uuid.uuid4())).write_bytes((data / "weights" / "yolov5n-coco.pt").read_bytes())
    job = start("--weights", inputs, "--source", data / "images", "--project", tmp_path / "outputs")
    _, stderr = job.communicate(timeout=300)
    assert job.returncode == 0, stderr
    assert "4f180cf23ba0717ada0badd6c685026d73d48f184d00fc159c2641284b2ac0a3" in stderr
    _, expected = load_reference(data, "default")
    for file, record in records(tmp_path / "outputs" / "exp").items():
        assert_same(record, expected[file])
        assert (tmp_path / "outputs" / "exp" / "images" / file).is_file()


@pytest.mark.parametrize("engine", ["torch", "onnx"])
@pytest.mark.parametrize("extra", [(), ("--conf-thres", "0.001", "--iou-thres", "0.6")], ids=["default", "many boxes"])
def test_batches_of_16_equal_batches_of_1(
    yolo_bac: Run, data: Path, tmp_path: Path, extra: tuple[str, ...], engine: str
) -> None:
    common = ["--weights", data / "weights" / "yolov5n-coco.pt", "--source", data / "images", "--nosave", *extra]
    common += ["--engine", engine]
    for size in (1, 16):
        ended = yolo_bac(*common, "--project", tmp_path / str(size), "--batch-size", size)
        assert ended.code == 0, ended.stderr
    singly, together = records(tmp_path / "1" / "exp"), records(tmp_path / "16" / "exp")
    assert singly.keys() == together.keys()
    for file, record in singly.items():
        other = together[file]
        assert len(record["detections"]) == len(other["detections"])
        for a, b in zip(record["detections"], other["detections"], strict=True):
            assert a["class"] == b["class"]
            assert a["confidence"] == pytest.approx(b["confidence"], abs=1e-5)
            assert list(a["box"].values()) == pytest.approx(list(b["box"].values()), abs=1e-3)
