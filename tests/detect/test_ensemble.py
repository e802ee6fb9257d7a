"""Several files of weights look together: their candidates meet before NMS, as in detect.py's ensemble."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torchvision.ops import nms

from entrypoint.errors import NotADetectorError
from entrypoint.models.ensemble import Ensemble
from entrypoint.weights.onnxfile.load import load_onnx
from scripts.training import network
from scripts.training.scenes import draw_scene
from tests.classic import save_classic, tiny_names
from tests.conftest import Ended, records
from tests.exports import SIDE, ULTRALYTICS, YOLOV5, ByClass, Decoded, demo_model, export_onnx

Run = Callable[..., Ended]
CONFIDENCE, IOU = 0.25, 0.45


def other_model() -> network.Model:
    """A detector that differs a little from the demo's, so that both find most objects, each with its own boxes."""
    model = demo_model()
    noise = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=noise) * 0.02 * parameter.std(correction=0))
    return model


def reordered(model: network.Model, order: tuple[int, ...]) -> network.Model:
    """The same detector with its classes in another order."""
    detect: Any = model.model[-1]
    rows = torch.arange(detect.no * detect.na).view(detect.na, detect.no)
    rows = torch.cat((rows[:, :5], rows[:, 5:][:, list(order)]), 1).flatten()
    with torch.no_grad():
        for conv in detect.m:
            conv.weight.copy_(conv.weight[rows].clone())
            conv.bias.copy_(conv.bias[rows].clone())
    model.names = [model.names[place] for place in order]
    return model


def together(image: np.ndarray, *models: network.Model) -> np.ndarray:
    """What detect.py's ensemble finds: predictions of all in a row, then one NMS; xyxy, confidence, class."""
    pixels = torch.from_numpy(image[..., ::-1].transpose(2, 0, 1).copy())[None] / 255
    with torch.no_grad():
        rows = torch.cat([Decoded(model)(pixels) for model in models], 1)[0]
    rows = rows[rows[:, 4] > CONFIDENCE]
    confidence, classes = (rows[:, 5:] * rows[:, 4:5]).max(1)
    kept = confidence > CONFIDENCE
    rows, confidence, classes = rows[kept], confidence[kept], classes[kept]
    boxes = torch.cat((rows[:, :2] - rows[:, 2:4] / 2, rows[:, :2] + rows[:, 2:4] / 2), 1)
    chosen = nms(boxes + classes[:, None] * 7680, confidence, IOU)
    found = torch.cat((boxes.clamp(0, SIDE), confidence[:, None], classes[:, None]), 1)
    return found[chosen].numpy()


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    folder = tmp_path / "scenes"
    folder.mkdir()
    for number in range(4):
        cv2.imwrite(str(folder / f"{number}.png"), draw_scene(np.random.default_rng(number), SIDE, SIDE).image)
    return folder


def saved(model: network.Model, path: Path) -> Path:
    save_classic({"model": model.float()}, path, tiny_names())
    return path


def assert_same(found: dict[str, dict[str, Any]], scenes: Path, *models: network.Model) -> None:
    count = 0
    for file, record in found.items():
        image = cv2.imread(str(scenes / file))
        assert image is not None
        expected = together(image, *models)
        ours = [[*one["box"].values(), one["confidence"], one["class"]] for one in record["detections"]]
        np.testing.assert_allclose(np.array(ours).reshape(-1, 6), expected, atol=0.01)
        count += len(expected)
    assert count > 8


def test_two_checkpoints_give_what_detect_py_gives(yolo_bac: Run, tmp_path: Path, scenes: Path) -> None:
    files = saved(demo_model(), tmp_path / "a.pt"), saved(other_model(), tmp_path / "b.pt")
    options = ["--source", scenes, "--imgsz", SIDE, "--project", tmp_path / "out"]
    ended = yolo_bac("--weights", *files, *options)
    assert ended.code == 0, ended.stderr
    assert_same(records(tmp_path / "out" / "exp"), scenes, demo_model(), other_model())


def test_classes_in_another_order_are_matched_by_name(yolo_bac: Run, tmp_path: Path, scenes: Path) -> None:
    other = saved(reordered(other_model(), (2, 0, 1)), tmp_path / "b.pt")
    files = saved(demo_model(), tmp_path / "a.pt"), other
    ended = yolo_bac("--weights", *files, "--source", scenes, "--imgsz", SIDE, "--project", tmp_path / "out")
    assert ended.code == 0, ended.stderr
    assert_same(records(tmp_path / "out" / "exp"), scenes, demo_model(), other_model())


def test_families_and_formats_may_be_mixed(yolo_bac: Run, tmp_path: Path, scenes: Path) -> None:
    export = export_onnx(ByClass(other_model()), tmp_path / "b.onnx", ULTRALYTICS)
    files = saved(demo_model(), tmp_path / "a.pt"), export
    ended = yolo_bac("--weights", *files, "--source", scenes, "--project", tmp_path / "out")
    assert ended.code == 0, ended.stderr
    assert_same(records(tmp_path / "out" / "exp"), scenes, demo_model(), other_model())


def test_the_identity_of_a_run_has_all_files_in_their_order(yolo_bac: Run, tmp_path: Path, scenes: Path) -> None:
    a, b = saved(demo_model(), tmp_path / "a.pt"), saved(other_model(), tmp_path / "b.pt")
    for number, files in enumerate(((a, b), (b, a), (a,), (a, b))):
        options = ["--source", scenes, "--imgsz", SIDE, "--project", tmp_path / str(number), "--nosave"]
        assert yolo_bac("--weights", *files, *options).code == 0
    told = [json.loads((tmp_path / str(n) / "exp" / "status.json").read_bytes()) for n in range(4)]
    identities = [status["identity"]["weights"] for status in told]
    assert len(set(identities)) == 3 and identities[0] == identities[3]
    assert told[0]["weights"]["file"] == f"{a} + {b}" and told[0]["weights"]["kind"] == "ensemble of 2 files"


def test_the_same_weights_twice_find_what_they_find_once(yolo_bac: Run, tmp_path: Path, scenes: Path) -> None:
    a = saved(demo_model(), tmp_path / "a.pt")
    for more in ([], ["--augment"]):
        results = []
        for files in ((a,), (a, a)):
            project = tmp_path / f"{len(files)} {len(more)}"
            options = ["--source", scenes, "--imgsz", SIDE, "--project", project, "--nosave", *more]
            assert yolo_bac("--weights", *files, *options).code == 0
            results.append([record["detections"] for record in records(project / "exp").values()])
        assert results[0] == results[1]  # each box of the second is dropped for its twin of the first


def test_a_fixed_size_that_is_no_multiple_of_another_stride_is_refused_before_the_run(tmp_path: Path) -> None:
    fixed = load_onnx(export_onnx(ByClass(demo_model()), tmp_path / "b.onnx", ULTRALYTICS))
    coarse = load_onnx(export_onnx(Decoded(demo_model()), tmp_path / "a.onnx", {**YOLOV5, "stride": 64}, dynamic=True))
    assert Ensemble([fixed, coarse]).size == (SIDE, SIDE)
    coarse.stride = 128
    with pytest.raises(NotADetectorError, match=f"takes {SIDE} × {SIDE} alone, and .* its stride, 128"):
        Ensemble([fixed, coarse])
