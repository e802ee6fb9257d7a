"""One detector in every format that is taken finds the same, within what each format keeps of its numbers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from entrypoint.sources.samples import DEMO_WEIGHTS
from entrypoint.weights.convert.convert import convert
from entrypoint.weights.find import find_weights
from scripts.training.scenes import draw_scene
from tests.conftest import Ended, records, start
from tests.exports import SIDE
from tests.weights import test_onnxfile as onnx
from tests.weights import test_torchscript as torchscript

Run = Callable[..., Ended]


def safe_pt(path: Path) -> Path:
    convert(find_weights(str(DEMO_WEIGHTS), ()), "safe-pt", path)
    return path


def own_onnx(path: Path) -> Path:
    convert(find_weights(str(DEMO_WEIGHTS), ()), "onnx", path)
    return path


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images that no letterbox changes."""
    folder = tmp_path_factory.mktemp("scenes")
    for number in range(6):
        cv2.imwrite(str(folder / f"{number}.png"), draw_scene(np.random.default_rng(number), SIDE, SIDE).image)
    return folder


@pytest.fixture(scope="module")
def expected(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    project = tmp_path_factory.mktemp("expected")
    process = start("--weights", DEMO_WEIGHTS, "--source", scenes, "--imgsz", SIDE, "--project", project, "--nosave")
    process.communicate()
    assert process.returncode == 0
    return records(project / "exp")


EXACT, FULL, HALF, EIGHT_BITS = (0.0, 0.0), (0.01, 1e-4), (1.0, 0.01), (8.0, 0.2)  # pixels, confidence


@pytest.mark.parametrize(
    ("make", "within"),
    [
        (safe_pt, EXACT),
        (own_onnx, FULL),
        (torchscript.yolov5, FULL),
        (torchscript.ultralytics, FULL),
        (torchscript.suppressed, FULL),
        (onnx.plain, FULL),
        (onnx.dynamic, FULL),
        (onnx.without_metadata, FULL),
        (onnx.in_half, HALF),
        (onnx.in_old_operations, FULL),
        (onnx.for_four_images, FULL),
        (onnx.by_class, FULL),
        (onnx.by_class_dynamic, FULL),
        (onnx.by_class_in_half, HALF),
        (onnx.suppressed, FULL),
        (onnx.with_eight_bits, EIGHT_BITS),
    ],
    ids=lambda one: f"{one.__module__.rpartition('_')[2]} {one.__name__}" if callable(one) else "",
)
def test_it_finds_what_the_checkpoint_finds(
    yolo_bac: Run,
    tmp_path: Path,
    scenes: Path,
    expected: dict[str, dict[str, Any]],
    make: Callable[[Path], Path],
    within: tuple[float, float],
) -> None:
    weights = make(tmp_path / "weights")
    options = ["--imgsz", SIDE, "--iou-thres", 0.45, "--nosave"]
    ended = yolo_bac("--weights", weights, "--source", scenes, "--project", tmp_path, *options)
    assert ended.code == 0, ended.stderr
    found = records(tmp_path / "exp")
    assert sum(len(record["detections"]) for record in expected.values()) > 10
    for file, record in expected.items():
        ours, theirs = (rows_of(one, make is not onnx.without_metadata) for one in (found[file], record))
        assert len(ours) == len(theirs), file
        pixels, confidence = within
        np.testing.assert_allclose(ours[:, :4], theirs[:, :4], atol=pixels)
        np.testing.assert_allclose(ours[:, 4], theirs[:, 4], atol=confidence)
        np.testing.assert_array_equal(ours[:, 5], theirs[:, 5])


def rows_of(record: dict[str, Any], named: bool) -> np.ndarray:
    """Boxes from left to right, confidences and classes."""
    if named:
        assert {one["name"] for one in record["detections"]} <= {"circle", "square", "triangle"}
    rows = [[*one["box"].values(), one["confidence"], one["class"]] for one in record["detections"]]
    return np.array(sorted(rows)).reshape(-1, 6)
