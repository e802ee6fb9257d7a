"""Every kind of network runs on a GPU, as far as that can be known without one: devices, types, shapes, and no wait.

The exports among them are also held to ONNX Runtime, operation by operation of the same table, on the CPU.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from entrypoint.detect.detector import Detector, DetectorOptions
from entrypoint.detect.precision import Trial
from entrypoint.engines.base import disagreement
from entrypoint.engines.gpu import convolution_fault
from entrypoint.engines.onnx import OnnxEngine
from entrypoint.engines.operations import UnknownOperationError
from entrypoint.engines.torch import TorchEngine
from entrypoint.host.device import CPU
from entrypoint.models.graph import PIXELS, Graph, Node
from entrypoint.models.network import Network
from entrypoint.sources.samples import DEMO_SCENES, DEMO_WEIGHTS
from entrypoint.sources.scan import scan
from entrypoint.weights.checkpoint import load_checkpoint
from entrypoint.weights.onnxfile.load import load_onnx
from tests.exports import ULTRALYTICS, YOLOV5, ByClass, Decoded, Ranked, Suppressed, demo_model, export_onnx, silence
from tests.pretendgpu import ReadBackError, assert_runs_on_gpus, gpu, pretended_gpus
from tests.ultralytics import model_of, save, smallest
from tests.weights.test_ultralytics import YAMLS

MOST_OFF, CLEAR = 0.01, 0.05
EXPORTED_BY_ULTRALYTICS: dict[str, dict[str, Any]] = {
    "yolov3-tiny": {"dynamic": True},
    "yolov5n-p6": {"dynamic": True},
    "yolov6n": {},
    "yolov8n": {"opset": 11},
    "yolov8n dynamic": {"dynamic": True},
    "yolov8n half": {"half": True},
    "yolov8n dynamic half": {"dynamic": True, "half": True},
    "yolov8-p2": {"dynamic": True},
    "yolov8-ghost": {"dynamic": True},
    "yolov8n-seg": {"dynamic": True},
    "yolov8n-pose": {},
    "yolov9t": {},
    "yolov10n": {"dynamic": True},
    "yolo11n": {"dynamic": True, "opset": 20},
    "yolo12n": {"dynamic": True},
    "yolo26n": {"dynamic": True},
    "yolo26n of 12": {"opset": 12},
}
EXPORTED_BY_YOLOV5: dict[str, tuple[type[Decoded], dict[str, object], dict[str, Any]]] = {
    "static": (Decoded, YOLOV5, {}),
    "dynamic": (Decoded, YOLOV5, {"dynamic": True}),
    "half": (Decoded, YOLOV5, {"half": True}),
    "opset 12": (Decoded, YOLOV5, {"opset": 12, "dynamic": True}),
    "four images": (Decoded, YOLOV5, {"batch": 4}),
    "by class": (ByClass, ULTRALYTICS, {"dynamic": True}),
    "ranked": (Ranked, ULTRALYTICS, {"dynamic": True}),
}
OPSETS = range(11, 23)


def assert_same_as_onnx_runtime(network: Network) -> None:
    """Shapes come again, for what is worked out for each is kept."""
    strides = network.stride
    wide, high = (
        (network.size, network.size) if network.size else ((10 * strides, 12 * strides), (12 * strides, 10 * strides))
    )
    onnx_runtime, engine = OnnxEngine(network.graph, 1), TorchEngine(network.graph, CPU)
    for height, width in (wide, high, wide):
        pixels = np.random.default_rng(0).random((network.batch or 2, 3, height, width), np.float32)
        found, expected = engine.run(pixels), onnx_runtime.run(pixels)
        if network.family.nms:
            assert disagreement(found, expected, MOST_OFF * network.tolerance) is None
        else:  # rows stand by rank, and those that are nearly alike in another order
            ours, theirs = (network.candidates(outputs, CLEAR)[1] for outputs in (found, expected))
            assert len(ours) > 1
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=MOST_OFF)


def test_a_classic_checkpoint() -> None:
    assert_runs_on_gpus(load_checkpoint(DEMO_WEIGHTS))


@pytest.mark.parametrize("name", YAMLS)
def test_a_checkpoint_of_each_yaml_of_ultralytics(oracle: Any, tmp_path: Path, name: str) -> None:
    assert_runs_on_gpus(load_checkpoint(save(model_of(smallest(f"{name}.yaml")), tmp_path / "weights")))


@pytest.mark.parametrize("name", EXPORTED_BY_ULTRALYTICS)
def test_an_export_of_ultralytics(oracle: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    options = {"opset": 17, "imgsz": [128, 192], "simplify": False} | EXPORTED_BY_ULTRALYTICS[name]
    with silence():
        from ultralytics import YOLO  # type: ignore[attr-defined]

        made = YOLO(f"{name.split()[0]}.yaml").export(format="onnx", **options)
    network = load_onnx(Path(shutil.move(str(made), tmp_path / "export")))
    assert_same_as_onnx_runtime(network)
    assert_runs_on_gpus(network)


@pytest.mark.parametrize("name", EXPORTED_BY_YOLOV5)
def test_an_export_of_yolov5(tmp_path: Path, name: str) -> None:
    kind, metadata, options = EXPORTED_BY_YOLOV5[name]
    network = load_onnx(export_onnx(kind(demo_model()), tmp_path / "export", metadata, **options))
    assert_same_as_onnx_runtime(network)
    assert_runs_on_gpus(network)


@pytest.mark.parametrize("opset", OPSETS)
def test_an_export_in_each_version_of_the_operations(tmp_path: Path, opset: int) -> None:
    path = export_onnx(ByClass(demo_model()), tmp_path / "export", ULTRALYTICS, dynamic=True, opset=min(opset, 17))
    onnx.save(onnx.version_converter.convert_version(onnx.load(path), opset), path)
    network = load_onnx(path)
    assert network.graph.opset == opset
    assert_same_as_onnx_runtime(network)


def test_an_export_that_ends_in_nms_is_refused_by_the_name_of_its_operations(tmp_path: Path) -> None:
    network = load_onnx(export_onnx(Suppressed(demo_model()), tmp_path / "export", ULTRALYTICS))
    with pytest.raises(UnknownOperationError, match="NonMaxSuppression, NonZero"):
        TorchEngine(network.graph, gpu())


@pytest.mark.parametrize("augment", [False, True])
def test_a_detector_waits_for_nothing_but_candidates(augment: bool) -> None:
    network = load_checkpoint(DEMO_WEIGHTS)
    with pretended_gpus() as watch:
        detector = Detector(TorchEngine(network.graph, gpu()), network, DetectorOptions(augment=augment))
        found = detector.look([np.zeros((64, 96, 3), np.uint8)] * 2)
    assert len(found) == 2
    assert {place for place, _ in watch.waits} == {"DeviceTensor.cells_above"}


def test_the_trials_of_a_gpu_and_of_half_precision() -> None:
    network = load_checkpoint(DEMO_WEIGHTS)
    with pretended_gpus() as watch:
        assert convolution_fault(gpu(1, half=True)) is None
        full, half = (
            Detector(TorchEngine(network.graph, gpu(half=half)), network, DetectorOptions()) for half in (False, True)
        )
        assert Trial(full, scan(str(DEMO_SCENES))).fault(half) is None
    assert {place for place, _ in watch.waits} == {
        "convolution_fault",
        "DeviceTensor.__array__",
        "DeviceTensor.cells_above",
    }


@pytest.mark.parametrize(
    ("node", "name"),
    [
        (Node("NonZero", (PIXELS,), ("y",)), "NonZero"),
        (Node("Reshape", (PIXELS, PIXELS), ("y",)), "Reshape by numbers that the network computes"),
        (Node("Resize", (PIXELS, "", "scales"), ("y",), {"mode": "cubic"}), "Resize with this mode"),
        (Node("Pad", (PIXELS, "sides"), ("y",), {"mode": "reflect"}), "Pad with this mode"),
    ],
    ids=lambda value: value.op if isinstance(value, Node) else "",
)
def test_a_graph_that_cannot_run_there_is_refused_by_name(node: Node, name: str) -> None:
    constants: dict[str, Any] = {"scales": np.ones(4, np.float32), "sides": np.ones(8, np.int64)}
    graph = Graph({PIXELS: (1, 3, 8, 8)}, [node], constants, ["y"])
    with pytest.raises(UnknownOperationError, match=name), pretended_gpus():
        engine = TorchEngine(graph, gpu())
        engine.run(engine.upload([np.zeros((8, 8, 3), np.uint8)]))


@pytest.mark.parametrize(
    "harm",
    [
        lambda x: x.sum().item(),
        lambda x: x.cpu(),
        lambda x: x.tolist(),
        lambda x: x[x > 0],
        lambda x: bool((x > 0).any()),
        lambda x: torch.zeros(4).copy_(x),
    ],
)
def test_a_value_that_is_read_back_is_noticed(harm: Callable[[torch.Tensor], object]) -> None:
    with pretended_gpus(), pytest.raises(ReadBackError, match="a test waits for the GPU"):
        harm(torch.zeros(4, device="cuda:1"))


@pytest.mark.parametrize("other", ["cpu", "cuda:0"])
def test_devices_that_are_mixed_are_noticed(other: str) -> None:
    with pretended_gpus(), pytest.raises(RuntimeError, match="two different devices"):
        torch.zeros(4, device="cuda:1") + torch.zeros(4, device=other)
