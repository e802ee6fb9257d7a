"""TorchScript files of export tools run once their code was read; `test_one_detector` compares what they find."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from entrypoint import Detector
from entrypoint.errors import WeightsError
from entrypoint.weights.notes import batch_of
from entrypoint.weights.torchscript.load import load_torchscript
from scripts.training.scenes import draw_scene
from tests.conftest import ROOT, Ended
from tests.exports import SIDE, ULTRALYTICS, YOLOV5, ByClass, Decoded, Suppressed, demo_model, silence

Run = Callable[..., Ended]


def export(module: nn.Module, path: Path, notes: Mapping[str, object]) -> Path:
    """As both tools do: traced, with notes in JSON."""
    with silence(), torch.no_grad():
        traced = torch.jit.trace(module, torch.zeros(1, 3, SIDE, SIDE), strict=False)  # type: ignore[no-untyped-call]
        traced.save(str(path), _extra_files={"config.txt": json.dumps(notes)})
    return path


class InATuple(Decoded):
    """As YOLOv5's export.py has it."""

    def forward(self, x: torch.Tensor) -> Any:
        return (super().forward(x),)


def yolov5(path: Path) -> Path:
    return export(InATuple(demo_model()), path, {"shape": [1, 3, SIDE, SIDE], **YOLOV5})


def ultralytics(path: Path) -> Path:
    return export(ByClass(demo_model()), path, ULTRALYTICS)


def suppressed(path: Path) -> Path:
    return export(Suppressed(demo_model()), path, {**ULTRALYTICS, "args": {"nms": True}})


def test_after_nms_each_image_of_a_batch_has_its_detections(tmp_path: Path) -> None:
    image = draw_scene(np.random.default_rng(0), SIDE, SIDE).image
    found = Detector(suppressed(tmp_path / "export"), batch_size=3, device="cpu").detect([image] * 3)
    assert len(found[0].xyxy) > 0
    assert [len(one.xyxy) for one in found] == [len(found[0].xyxy)] * 3


@pytest.mark.parametrize(
    ("notes", "batch"),
    [
        ({"args": {"nms": True}}, 1),
        ({"args": {"nms": True}, "batch": 4}, 4),
        ({"args": "{'nms': True}", "batch": "4"}, 4),
        ({"args": {"nms": False}, "batch": 4}, None),
        ({"batch": 4}, None),
    ],
)
def test_nms_is_unrolled_for_the_batch_that_is_noted(notes: dict[str, object], batch: int | None) -> None:
    assert batch_of(notes) == batch


def test_its_operations_are_told_without_pytorch(tmp_path: Path) -> None:
    path = yolov5(tmp_path / "export")
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from entrypoint.weights.torchscript.archive import read_script\n"
        "print(*read_script(open(sys.argv[1], 'rb')).operations)"
    )
    ended = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True, cwd=ROOT)
    assert {"_convolution", "sigmoid", "cat", "max_pool2d"} <= set(ended.stdout.split())


def test_without_pytorch_it_is_refused_and_the_image_that_has_it_is_named(tmp_path: Path) -> None:
    path = yolov5(tmp_path / "export")
    code = "import sys; sys.modules['torch'] = None; from entrypoint.cli.command import main; main()"
    job = [sys.executable, "-c", code, "--weights", path, "--source", ROOT / "entrypoint/demo/scenes"]
    ended = subprocess.run(
        [*map(str, job), "--project", str(tmp_path / "out")], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert ended.returncode == 3, ended.stderr
    assert "the image for GPUs has it" in ended.stderr and "ONNX export" in ended.stderr


def test_another_engine_is_wrong_usage(yolo_bac: Run, tmp_path: Path) -> None:
    options = ["--engine", "onnx", "--source", ROOT / "entrypoint/demo/scenes", "--project", tmp_path / "out"]
    ended = yolo_bac("--weights", yolov5(tmp_path / "export"), *options)
    assert ended.code == 2 and "--engine onnx does not run TorchScript" in ended.stderr


def test_what_does_not_name_its_classes_is_no_export(tmp_path: Path) -> None:
    path = export(Decoded(demo_model()), tmp_path / "export", {"shape": [1, 3, SIDE, SIDE]})
    with pytest.raises(WeightsError, match="does not name its classes"):
        load_torchscript(path)
