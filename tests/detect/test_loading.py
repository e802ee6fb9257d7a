"""Which engine runs: by the number of images, by memory, by what the network is made of, by the user's word."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from entrypoint.detect import loading
from entrypoint.engines.onnx import OnnxEngine
from entrypoint.host import limits, memory
from entrypoint.models.yolov5.head import Detect
from entrypoint.models.yolov5.network import Network
from entrypoint.sources.samples import DEMO_SCENES
from tests.classic import save_classic, tiny_model, tiny_names
from tests.conftest import ROOT, Ended

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


@pytest.mark.parametrize(("megabytes", "weights", "fits"), [(600, 1, True), (600, 100, False), (4000, 100, True)])
def test_a_graph_is_made_where_memory_has_room(
    monkeypatch: pytest.MonkeyPatch, megabytes: int, weights: int, fits: bool
) -> None:
    monkeypatch.setattr(limits, "memory_limit", lambda: megabytes * 1_000_000)
    head = Detect(nn.ModuleList(), torch.ones(1, 1, 2), torch.tensor([8.0]), 1)
    network = Network([nn.Linear(1000, 250 * weights, device="meta")], head, [], 32)  # so many megabytes
    assert loading.graph_fits(network) == fits


def test_an_engine_that_does_not_fit_or_is_wrong_gives_way(
    yolo_bac: Run, many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = OnnxEngine.maps
    for fault, maps in (
        ("no memory", lambda self, pixels: (_ for _ in ()).throw(MemoryError("no memory"))),
        ("it computes something else", lambda self, pixels: [level + 1 for level in honest(self, pixels)]),
        ("it computes something else", lambda self, pixels: [level[..., :1] for level in honest(self, pixels)]),
        ("Non-zero status code", lambda self, pixels: (_ for _ in ()).throw(RuntimeError("Non-zero status code"))),
    ):
        monkeypatch.setattr(OnnxEngine, "maps", maps)
        ended = yolo_bac("--demo", "--source", many, "--project", tmp_path / fault, "--no-resume")
        assert ended.code == 0 and fault in ended.stderr
        assert engine_of(tmp_path / fault / "exp") == "torch"
    ended = yolo_bac("--demo", "--project", tmp_path / "asked", "--engine", "onnx")
    assert ended.code == 2 and "--engine onnx does not run these weights" in ended.stderr.splitlines()[0]


FRESH_THREAD = """
import threading, torch
from entrypoint.host.device import Device
from entrypoint.engines.torch import TorchEngine
from entrypoint.sources.samples import DEMO_WEIGHTS
from entrypoint.weights.classic.checkpoint import load_checkpoint
torch.set_num_threads(1)
engine = TorchEngine(load_checkpoint(DEMO_WEIGHTS).network, Device(torch.device("cpu")))
thread = threading.Thread(target=lambda: engine.maps(torch.zeros(1, 3, 320, 320)))
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


@pytest.fixture
def odd_weights(tmp_path: Path) -> Path:
    """A network with a layer that is not translated."""
    model = tiny_model("a", "b")
    for layer in model.modules():
        if isinstance(layer, nn.MaxPool2d):
            layer.ceil_mode = True
    save_classic({"model": model}, tmp_path / "odd.pt", tiny_names())
    return tmp_path / "odd.pt"


def test_a_layer_without_translation_runs_in_pytorch(
    yolo_bac: Run, many: Path, odd_weights: Path, tmp_path: Path
) -> None:
    ended = yolo_bac("--demo", "--weights", odd_weights, "--source", many, "--project", tmp_path)
    assert ended.code == 0, ended.stderr
    assert "MaxPool2d with ceil_mode" in ended.stderr and engine_of(tmp_path / "exp") == "torch"
    ended = yolo_bac("--demo", "--weights", odd_weights, "--project", tmp_path, "--engine", "onnx")
    assert ended.code == 2 and "use --engine torch" in ended.stderr.splitlines()[0]


def test_onnx_is_for_cpus(yolo_bac: Run, tmp_path: Path) -> None:
    ended = yolo_bac("--demo", "--project", tmp_path, "--engine", "onnx", "--device", "0")
    assert ended.code == 2 and "leave one of them out" in ended.stderr.splitlines()[0]


def test_the_cores_are_shared_among_the_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "threads", lambda: 8)
    shares = {images: loading.shares_of_cpu(images) for images in (0, 1, 3, 8, 1000)}
    assert shares == {0: (1, 8), 1: (1, 8), 3: (3, 2), 8: (8, 1), 1000: (8, 1)}
