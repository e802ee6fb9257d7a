"""One detector in every format that is taken finds the same, within what each format keeps of its numbers."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from entrypoint.sources.samples import DEMO_WEIGHTS
from entrypoint.weights.convert.convert import convert
from entrypoint.weights.find import find_weights
from entrypoint.weights.inspect import inspect
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


@dataclass(frozen=True)
class Form:
    """The detector in one format: how that is made, and how far its boxes and confidences may be off."""

    make: Callable[[Path], Path]
    within: tuple[float, float]


FORMS = [
    Form(safe_pt, EXACT),
    Form(own_onnx, FULL),
    Form(torchscript.yolov5, FULL),
    Form(torchscript.ultralytics, FULL),
    Form(torchscript.suppressed, FULL),
    Form(onnx.plain, FULL),
    Form(onnx.dynamic, FULL),
    Form(onnx.without_metadata, FULL),
    Form(onnx.in_half, HALF),
    Form(onnx.in_old_operations, FULL),
    Form(onnx.for_four_images, FULL),
    Form(onnx.by_class, FULL),
    Form(onnx.by_class_dynamic, FULL),
    Form(onnx.by_class_in_half, HALF),
    Form(onnx.suppressed, FULL),
    Form(onnx.with_eight_bits, EIGHT_BITS),
]


@pytest.fixture(scope="module", params=FORMS, ids=lambda form: f"{form.make.__module__[19:]} {form.make.__name__}")
def form(request: pytest.FixtureRequest) -> Form:
    found: Form = request.param
    return found


@pytest.fixture(scope="module")
def weights(form: Form, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return form.make(tmp_path_factory.mktemp("weights") / "weights")


def test_it_finds_what_the_checkpoint_finds(
    yolo_bac: Run, tmp_path: Path, scenes: Path, expected: dict[str, dict[str, Any]], form: Form, weights: Path
) -> None:
    options = ["--imgsz", SIDE, "--iou-thres", 0.45, "--nosave"]
    ended = yolo_bac("--weights", weights, "--source", scenes, "--project", tmp_path, *options)
    assert ended.code == 0, ended.stderr
    found = records(tmp_path / "exp")
    assert sum(len(record["detections"]) for record in expected.values()) > 10
    for file, record in expected.items():
        ours, theirs = (rows_of(one, form.make is not onnx.without_metadata) for one in (found[file], record))
        assert len(ours) == len(theirs), file
        pixels, confidence = form.within
        np.testing.assert_allclose(ours[:, :4], theirs[:, :4], rtol=0, atol=pixels)
        np.testing.assert_allclose(ours[:, 4], theirs[:, 4], rtol=0, atol=confidence)
        np.testing.assert_array_equal(ours[:, 5], theirs[:, 5])


def test_it_is_told_what_it_is_within_a_second(form: Form, weights: Path) -> None:
    started = time.process_time()
    facts = inspect(weights)
    assert time.process_time() - started < 1
    assert facts.fault is None
    named = form.make is not onnx.without_metadata
    assert facts.classes == (("circle", "square", "triangle") if named else ("class0", "class1", "class2"))


def rows_of(record: dict[str, Any], named: bool) -> np.ndarray:
    """Boxes from left to right, confidences and classes."""
    if named:
        assert {one["name"] for one in record["detections"]} <= {"circle", "square", "triangle"}
    rows = [[*one["box"].values(), one["confidence"], one["class"]] for one in record["detections"]]
    return np.array(sorted(rows)).reshape(-1, 6)
