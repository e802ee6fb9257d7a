"""Files that the ultralytics package exports are told apart, and give what ONNX Runtime makes of them unread."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from entrypoint.engines.onnx import OnnxEngine
from entrypoint.models.exported import Exported
from entrypoint.weights.onnxfile.load import load_onnx
from tests.exports import silence

CASES: list[tuple[str, dict[str, Any], tuple[int, int] | None, int, bool]] = [
    # plan, options, fixed size, classes, whether NMS is left to do
    ("yolov8n.yaml", {"dynamic": True}, None, 80, True),
    ("yolov8n.yaml", {"nms": True}, (96, 128), 80, False),
    ("yolo11n.yaml", {"opset": 20}, (96, 128), 80, True),
    ("yolo26n.yaml", {"opset": 12}, (96, 128), 80, True),
    ("yolov5n-p6.yaml", {"dynamic": True}, None, 80, True),
    ("yolov8n-seg.yaml", {}, (96, 128), 80, True),
    ("yolov8n-pose.yaml", {}, (96, 128), 1, True),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]} {case[1]}")
def test_what_the_package_exports(
    oracle: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: tuple[Any, ...]
) -> None:
    plan, options, size, classes, nms = case
    monkeypatch.chdir(tmp_path)
    with silence():
        from ultralytics import YOLO  # type: ignore[attr-defined]

        imgsz = [128, 192] if "p6" in plan else [96, 128]
        made = YOLO(plan).export(format="onnx", imgsz=imgsz, simplify=False, **({"opset": 17} | options))
    path = Path(shutil.move(str(made), tmp_path / "export"))
    network = load_onnx(path)
    assert isinstance(network, Exported)
    assert (network.size, len(network.names), network.family.nms) == (size, classes, nms)
    assert network.family.imgsz == tuple(imgsz) and not network.square
    assert network.stride == (64 if "p6" in plan else 32)
    pixels = np.random.default_rng(0).random((1, 3, *imgsz), np.float32)
    (found,) = OnnxEngine(network.graph, 1).run(pixels)
    expected = onnxruntime.InferenceSession(path).run(["output0"], {"images": pixels})[0]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)
    assert network.fault([found]) is None
