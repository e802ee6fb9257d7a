"""ONNX files of both export tools are told apart by what they hold; `test_one_detector` runs them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic

from entrypoint import Detector
from entrypoint.errors import WeightsError
from entrypoint.sources.samples import DEMO_SCENES, DEMO_WEIGHTS
from entrypoint.weights.notes import names_of
from entrypoint.weights.onnxfile.load import load_onnx
from scripts.training.scenes import draw_scene
from tests.conftest import Ended
from tests.exports import (
    SIDE,
    ULTRALYTICS,
    YOLOV5,
    ByClass,
    Decoded,
    Ranked,
    Suppressed,
    demo_model,
    described,
    export_onnx,
    silence,
)

Run = Callable[..., Ended]


def plain(path: Path) -> Path:
    return export_onnx(Decoded(demo_model()), path, YOLOV5)


def dynamic(path: Path) -> Path:
    return export_onnx(Decoded(demo_model()), path, YOLOV5, dynamic=True)


def without_metadata(path: Path) -> Path:
    return export_onnx(Decoded(demo_model()), path, {})


def in_half(path: Path) -> Path:
    return export_onnx(Decoded(demo_model()), path, YOLOV5, half=True)


def in_old_operations(path: Path) -> Path:
    return export_onnx(Decoded(demo_model()), path, YOLOV5, opset=12)


def for_four_images(path: Path) -> Path:
    return export_onnx(Decoded(demo_model()), path, YOLOV5, batch=4)


def by_class(path: Path) -> Path:
    return export_onnx(ByClass(demo_model()), path, ULTRALYTICS)


def by_class_dynamic(path: Path) -> Path:
    return export_onnx(ByClass(demo_model()), path, ULTRALYTICS, dynamic=True)


def by_class_in_half(path: Path) -> Path:
    return export_onnx(ByClass(demo_model()), path, ULTRALYTICS, half=True)


def suppressed(path: Path) -> Path:
    return export_onnx(Suppressed(demo_model()), path, ULTRALYTICS)


def with_eight_bits(path: Path) -> Path:
    whole = export_onnx(Decoded(demo_model()), path.with_name("whole.onnx"), {})
    with silence():
        quantize_dynamic(whole, path, op_types_to_quantize=["Conv"], weight_type=QuantType.QUInt8)
    assert "ConvInteger" in {node.op_type for node in onnx.load(str(path)).graph.node}
    return described(path, YOLOV5)


def test_what_a_file_takes_is_what_it_says(tmp_path: Path) -> None:
    one = load_onnx(plain(tmp_path / "a"))
    assert (one.size, one.batch, one.square, one.stride) == ((SIDE, SIDE), 1, True, 32)
    assert one.names == ("circle", "square", "triangle")
    any_size = load_onnx(dynamic(tmp_path / "b"))
    assert (any_size.size, any_size.batch, any_size.square) == (None, None, True)
    of_ultralytics = load_onnx(by_class_dynamic(tmp_path / "c"))
    assert (of_ultralytics.size, of_ultralytics.square, of_ultralytics.family.iou_thres) == (None, False, 0.7)
    final = load_onnx(suppressed(tmp_path / "d"))
    assert not final.family.nms
    assert load_onnx(for_four_images(tmp_path / "e")).batch == 4
    notes = {**ULTRALYTICS, "args": {"nms": True}, "batch": 2}
    unrolled = export_onnx(Suppressed(demo_model()), tmp_path / "f", notes, dynamic=True)
    assert load_onnx(unrolled).batch == 2


def ranked_dynamic(path: Path) -> Path:
    return export_onnx(Ranked(demo_model()), path, {**ULTRALYTICS, "end2end": True}, dynamic=True)


def test_a_head_that_needs_no_nms_is_tried_on_an_image_of_enough_cells(tmp_path: Path) -> None:
    image = draw_scene(np.random.default_rng(0), SIDE, SIDE).image
    (found,) = Detector(ranked_dynamic(tmp_path / "a"), device="cpu").detect([image])
    (expected,) = Detector(DEMO_WEIGHTS, imgsz=SIDE, device="cpu", conf_thres=0.25).detect([image])
    assert len(found.xyxy) >= len(expected.xyxy) > 0


@pytest.mark.parametrize(("kind", "notes"), [(ByClass, ULTRALYTICS), (Decoded, YOLOV5)], ids=["ultralytics", "YOLOv5"])
def test_levels_of_any_strides_are_taken_where_the_notes_tell_the_rows(
    tmp_path: Path, kind: type[Decoded], notes: dict[str, object]
) -> None:
    class TwoLevels(kind):  # type: ignore[valid-type, misc]
        def forward(self, x: Any) -> Any:
            rows = super().forward(x)
            return rows[:, :, :-300] if kind is ByClass else rows[:, :-300]  # without the level of stride 32

    network = load_onnx(export_onnx(TwoLevels(demo_model()), tmp_path / "a", notes))
    assert network.names == ("circle", "square", "triangle") and network.family.nms
    assert network.family.name == ("ultralytics" if kind is ByClass else "YOLOv5")


def test_operations_in_any_order_are_computed_in_one_that_works(tmp_path: Path) -> None:
    path = by_class(tmp_path / "a")
    expected = load_onnx(path).graph.nodes
    model = onnx.load(str(path))
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(nodes[::-1])
    onnx.save(model, str(path))
    found = load_onnx(path).graph
    made = {*found.inputs, *found.constants}
    for node in found.nodes:
        assert made.issuperset(filter(None, node.inputs))
        made.update(node.outputs)
    assert sorted(node.outputs for node in found.nodes) == sorted(node.outputs for node in expected)


def test_another_size_than_a_fixed_one_is_wrong_usage(yolo_bac: Run, tmp_path: Path) -> None:
    weights = plain(tmp_path / "a")
    ended = yolo_bac("--weights", weights, "--source", DEMO_SCENES, "--project", tmp_path, "--imgsz", 256)
    assert ended.code == 2
    assert "--imgsz 256 256: these weights were exported for images of 320 × 320 alone" in ended.stderr


def test_yolov5_pads_to_the_full_square_and_ultralytics_to_a_rectangle(tmp_path: Path) -> None:
    from entrypoint.detect.detector import Detector, DetectorOptions
    from entrypoint.engines.onnx import OnnxEngine

    for make, shape in ((dynamic, (640, 640)), (by_class_dynamic, (384, 640))):
        network = load_onnx(make(tmp_path / make.__name__))
        detector = Detector(OnnxEngine(network.graph, 1), network, DetectorOptions())
        assert detector.letterbox(1920, 1080).shape == shape


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("{0: 'a', 1: 'b'}", {0: "a", 1: "b"}),
        ("{1: 'b', 10: 'c', 0: 'a'}", {0: "a", 1: "b", 10: "c"}),
        ("['a', 'b']", {0: "a", 1: "b"}),
        ('{"0": "a", "1": "b"}', {0: "a", 1: "b"}),
        ("__import__('os').system('touch /tmp/ran')", {}),
        ("{0: open('/etc/passwd').read()}", {}),
        ("[" * 100_000, {}),
        ("-" * 200_000, {}),
        ("{0: 9**9**9}", {}),
        ("'" + "a" * 300_000 + "'", {}),
        ("{1000000: 'a'}", {}),
        ("", {}),
    ],
    ids=["a dict", "in any order", "a list", "text for ids", *(f"none, {number}" for number in range(8))],
)
def test_names_are_parsed_and_never_evaluated(text: str, names: dict[int, str]) -> None:
    assert names_of(text) == names


def test_scores_that_rounding_leaves_above_one_are_one(yolo_bac: Run, tmp_path: Path) -> None:
    class Rounded(ByClass):
        def forward(self, x: Any) -> Any:
            rows = super().forward(x)
            scores = torch.where(rows[:, 4:] > 0.25, torch.tensor(1.0005), rows[:, 4:])
            return torch.cat((rows[:, :4], scores), 1)

    weights = export_onnx(Rounded(demo_model()), tmp_path / "rounded", ULTRALYTICS)
    ended = yolo_bac("--weights", weights, "--source", DEMO_SCENES, "--project", tmp_path)
    assert ended.code == 0, ended.stderr
    images = json.loads((tmp_path / "exp" / "predictions.json").read_bytes())["images"]
    assert {found["confidence"] for image in images for found in image["detections"]} == {1.0}
    # What was written is read again, and checked: no confidence is beyond 1 there.
    assert yolo_bac("convert-results", tmp_path / "exp", "--format", "csv").code == 0


def test_outputs_of_an_unknown_kind_are_refused_by_name(tmp_path: Path) -> None:
    class Raw(Decoded):
        def forward(self, x: Any) -> Any:
            return self.model(x)[0]

    path = export_onnx(Raw(demo_model()), tmp_path / "raw", YOLOV5)
    with pytest.raises(WeightsError, match=r"raw or unknown outputs .*export\.py"):
        load_onnx(path)


def test_scores_that_are_none_show_in_the_trial(yolo_bac: Run, tmp_path: Path) -> None:
    class Logits(Decoded):
        def forward(self, x: Any) -> Any:
            return super().forward(x) * 100 - 50

    path = export_onnx(Logits(demo_model()), tmp_path / "logits", YOLOV5)
    ended = yolo_bac("--weights", path, "--source", DEMO_SCENES, "--project", tmp_path)
    assert ended.code == 3
    assert "scores outside of 0 to 1: raw or unknown outputs" in ended.stderr
