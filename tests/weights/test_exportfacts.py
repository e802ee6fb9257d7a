"""What inspecting tells of exports, without ONNX Runtime or PyTorch."""

from pathlib import Path

import onnx

from entrypoint.weights.inspect import inspect
from tests.exports import SIDE, ULTRALYTICS, YOLOV5, ByClass, Decoded, demo_model, export_onnx
from tests.weights.test_torchscript import export


def test_an_onnx_file_tells_its_version_inputs_and_operations(tmp_path: Path) -> None:
    path = export_onnx(ByClass(demo_model()), tmp_path / "export", ULTRALYTICS, dynamic=True)
    facts = inspect(path)
    assert facts.kind == "ONNX model" and facts.fault is None and not facts.refused
    assert (facts.family, facts.version, facts.task, facts.stride) == ("ultralytics", "8.4.190", "detect", 32)
    assert facts.classes == ("circle", "square", "triangle")
    assert facts.architecture is not None
    assert "opset 17, written by pytorch" in facts.architecture and "images ? × 3 × ? × ?" in facts.architecture
    assert set(facts.globals) == {node.op_type for node in onnx.load(str(path)).graph.node} - {"Constant"}
    assert facts.precision is not None and "float32" in facts.precision


def test_an_operation_that_is_refused_is_told(tmp_path: Path) -> None:
    path = export_onnx(Decoded(demo_model()), tmp_path / "export", YOLOV5)
    model = onnx.load(str(path))
    model.graph.node[3].op_type = "ImageDecoder"
    onnx.save(model, str(path))
    facts = inspect(path)
    assert facts.refused == ("ImageDecoder",) and facts.fault and "ImageDecoder" in facts.fault


def test_a_torchscript_file_tells_its_operations_and_notes(tmp_path: Path) -> None:
    facts = inspect(export(Decoded(demo_model()), tmp_path / "export", {"shape": [1, 3, SIDE, SIDE], **YOLOV5}))
    assert facts.fault is None and facts.family == "YOLOv5" and facts.imgsz == (SIDE, SIDE)
    assert {"_convolution", "sigmoid"} <= set(facts.globals)
    assert facts.classes == ("circle", "square", "triangle")


def test_what_cannot_be_read_has_a_fault(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\x08\x08\x3a\x02\x0b\x0c")
    assert inspect(tmp_path / "x").fault
