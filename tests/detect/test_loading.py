"""Which engine runs: by what is installed, by the trial it must pass, by the user's word."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

from entrypoint.detect import loading, nms
from entrypoint.detect.enginechoice import cpu_engine, gpu_fault
from entrypoint.engines.onnx import OnnxEngine
from entrypoint.engines.torch import TorchEngine
from entrypoint.errors import ResourceError, UsageError
from entrypoint.host import limits, memory
from entrypoint.host.device import CPU
from entrypoint.models.graph import Graph, Node
from entrypoint.settings import Settings
from entrypoint.sources.samples import DEMO_SCENES, DEMO_WEIGHTS
from entrypoint.weights.checkpoint import load_checkpoint
from entrypoint.weights.onnxfile.load import load_onnx
from tests.classic import save_classic, tiny_model, tiny_names
from tests.conftest import ROOT, Ended, records
from tests.exports import YOLOV5, Decoded, demo_model, export_onnx

Run = Callable[..., Ended]


def engine_of(run: Path) -> object:
    return json.loads((run / "status.json").read_bytes())["engine"]


@pytest.fixture
def many(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(20):
        (folder / f"{number}.png").symlink_to(DEMO_SCENES / "scene-1.png")
    return folder


@pytest.mark.parametrize("engine", ["torch", "onnx"])
def test_the_engine_asked_for_runs(yolo_bac: Run, tmp_path: Path, engine: str) -> None:
    ended = yolo_bac("--demo", "--project", tmp_path, "--engine", engine)
    assert ended.code == 0 and f"engine {engine}" in ended.stderr
    assert engine_of(tmp_path / "exp") == engine


def test_the_engine_does_not_depend_on_how_many_images_a_part_has(yolo_bac: Run, many: Path, tmp_path: Path) -> None:
    for source in ([], ["--source", many], ["--source", many, "--shard", "1/7"], ["--source", many / "1.png"]):
        yolo_bac("--demo", "--project", tmp_path / str(len(source)), "--exist-ok", *source)
        (status,) = (tmp_path / str(len(source))).rglob("status.json")
        assert engine_of(status.parent) == "onnx"


Outputs = list[np.ndarray]


def failing(_: Outputs) -> Outputs:
    raise RuntimeError("Non-zero status code")


def full(_: Outputs) -> Outputs:
    raise MemoryError("no memory")


@pytest.fixture
def spoil(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Outputs], Outputs]], None]:
    """Changes what ONNX Runtime's optimised graphs give."""
    made, run = OnnxEngine.__init__, OnnxEngine.run
    optimised: set[int] = set()

    def make(self: OnnxEngine, graph: Graph, threads: int, **options: Any) -> None:
        made(self, graph, threads, **options)
        (optimised.discard if options else optimised.add)(id(self))

    def to(change: Callable[[Outputs], Outputs]) -> None:
        def changed(self: OnnxEngine, pixels: Any) -> Outputs:
            return change(run(self, pixels)) if id(self) in optimised else run(self, pixels)

        monkeypatch.setattr(OnnxEngine, "__init__", make)
        monkeypatch.setattr(OnnxEngine, "run", changed)

    return to


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda found: [level + 1 for level in found], "it computes something else"),
        (lambda found: [level[..., :1] for level in found], "it computes something else"),
        (failing, "Non-zero status code"),
    ],
    ids=["other values", "other shapes", "an error"],
)
def test_an_engine_that_fails_or_is_wrong_gives_way(
    yolo_bac: Run, many: Path, tmp_path: Path, spoil: Callable[..., None], change: Any, fault: str
) -> None:
    spoil(change)
    ended = yolo_bac("--demo", "--source", many, "--project", tmp_path)
    assert ended.code == 0 and fault in ended.stderr
    assert engine_of(tmp_path / "exp") == "torch"
    ended = yolo_bac("--demo", "--project", tmp_path / "asked", "--engine", "onnx")
    assert ended.code == 2 and "--engine onnx does not run these weights" in ended.stderr.splitlines()[0]


def test_memory_that_is_out_is_no_reason_for_an_engine_that_needs_more(
    yolo_bac: Run, tmp_path: Path, spoil: Callable[..., None]
) -> None:
    spoil(full)
    ended = yolo_bac("--demo", "--project", tmp_path)
    assert ended.code == 7 and "not enough memory for the network" in ended.stderr.splitlines()[0]


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--engine", "torch"], 2, "--engine torch: PyTorch is not here"),
        (["--engine", "auto"], 7, "it computes something else; and PyTorch is not here"),
    ],
)
def test_without_pytorch_there_is_no_way_to_give(
    yolo_bac: Run,
    tmp_path: Path,
    spoil: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    code: int,
    words: str,
) -> None:
    spoil(lambda found: [level + 1 for level in found])
    monkeypatch.setitem(sys.modules, "entrypoint.engines.torch", None)
    ended = yolo_bac("--demo", "--project", tmp_path, *options)
    assert ended.code == code and words in ended.stderr.splitlines()[0]


def test_without_onnx_runtime_pytorch_runs_and_nms_is_the_same(
    yolo_bac: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert yolo_bac("--demo", "--project", tmp_path / "with", "--engine", "torch").code == 0
    monkeypatch.setitem(sys.modules, "entrypoint.engines.onnx", None)
    nms.suppression.cache_clear()
    try:
        ended = yolo_bac("--demo", "--project", tmp_path / "without")
    finally:
        nms.suppression.cache_clear()
    assert ended.code == 0 and "ONNX Runtime does not run these weights: it is not here" in ended.stderr
    assert records(tmp_path / "with" / "exp") == records(tmp_path / "without" / "exp")


FRESH_THREAD = """
import numpy, threading, torch
from entrypoint.host.device import CPU
from entrypoint.engines.torch import TorchEngine
from entrypoint.sources.samples import DEMO_WEIGHTS
from entrypoint.weights.checkpoint import load_checkpoint
torch.set_num_threads(1)
engine = TorchEngine(load_checkpoint(DEMO_WEIGHTS).graph, CPU)
thread = threading.Thread(target=lambda: engine.run(numpy.zeros((1, 3, 320, 320), numpy.float32)))
thread.start()
thread.join()
print(sum(1 for _ in __import__("pathlib").Path("/proc/self/task").iterdir()))
"""


def test_a_lane_s_thread_starts_no_others() -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "32"}
    ended = subprocess.run(
        [sys.executable, "-c", FRESH_THREAD], capture_output=True, text=True, check=True, cwd=ROOT, env=environment
    )
    assert int(ended.stdout) < 16


def test_lanes_are_what_memory_has_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    rooms = iter([600 << 20, 500 << 20])

    class Hungry:
        def try_one(self) -> None:
            pass

    monkeypatch.setattr(memory, "room", lambda: next(rooms))
    assert loading.lanes_that_fit(Hungry()) == 4  # type: ignore[arg-type]  # the one that was tried, and three more
    monkeypatch.setattr(memory, "room", lambda: None)
    assert loading.lanes_that_fit(Hungry()) == limits.threads()  # type: ignore[arg-type]


def test_weights_that_give_no_numbers_are_refused(yolo_bac: Run, tmp_path: Path) -> None:
    model = tiny_model("a", "b")
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data *= 1e5  # each of them is a number, and so is no product of them all
    save_classic({"model": model}, tmp_path / "wild.pt", tiny_names())
    for engine in ("auto", "torch"):
        ended = yolo_bac("--weights", tmp_path / "wild.pt", "--source", DEMO_SCENES, "--engine", engine)
        assert ended.code == 3 and "values that are no finite numbers" in ended.stderr.splitlines()[0]


def test_onnx_is_for_cpus(yolo_bac: Run, tmp_path: Path) -> None:
    ended = yolo_bac("--demo", "--project", tmp_path, "--engine", "onnx", "--device", "0")
    assert ended.code == 2 and "leave one of them out" in ended.stderr.splitlines()[0]


def test_the_cores_are_shared_among_the_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "threads", lambda: 8)
    shares = {images: loading.shares_of_cpu(images) for images in (0, 1, 3, 8, 1000)}
    assert shares == {0: (1, 8), 1: (1, 8), 3: (3, 2), 8: (8, 1), 1000: (8, 1)}


def test_a_gpu_that_computes_something_else_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    network, honest = load_checkpoint(DEMO_WEIGHTS), TorchEngine.run
    assert gpu_fault(network, CPU, Settings()) is None
    monkeypatch.setattr(TorchEngine, "run", lambda self, pixels: [np.asarray(one) + 1 for one in honest(self, pixels)])
    assert gpu_fault(network, CPU, Settings()) == "it computes something else"
    with pytest.raises(ResourceError, match="--device 0: it computes something else; or use another GPU"):
        gpu_fault(network, CPU, Settings(device="0"))


def test_an_export_that_pytorch_stumbles_over_gives_way(tmp_path: Path) -> None:
    network = load_onnx(export_onnx(Decoded(demo_model()), tmp_path / "export", YOLOV5))
    next(node for node in network.graph.nodes if node.op == "MaxPool").attributes["unheard_of"] = 1
    fault = gpu_fault(network, CPU, Settings())
    assert fault and fault.startswith("PyTorch does not compute this export: ") and "bring the .pt file" in fault
    with pytest.raises(UsageError, match="--engine torch: PyTorch does not compute this export"):
        cpu_engine(network, Settings(engine="torch"), 1)


def test_an_operation_that_pytorch_lacks_is_a_reason_against_a_gpu() -> None:
    network = load_checkpoint(DEMO_WEIGHTS)
    network.graph.nodes.append(Node("Loop", (network.graph.outputs[0],), ("looped",)))
    assert gpu_fault(network, CPU, Settings()) == "PyTorch's table has no Loop"
