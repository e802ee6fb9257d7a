"""Which engine runs: by the number of images, by memory, by what the network is made of, by the user's word."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from torch import nn

from entrypoint import limits, loading, memory
from entrypoint.samples import DEMO_SCENES
from tests.classic import save_classic, tiny_model, tiny_names
from tests.conftest import Ended

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


def test_many_images_are_worth_a_graph_and_every_shard_of_them_knows(yolo_bac: Run, many: Path, tmp_path: Path) -> None:
    yolo_bac("--demo", "--project", tmp_path)
    assert engine_of(tmp_path / "exp") == "torch"
    yolo_bac("--demo", "--project", tmp_path, "--source", many)
    assert engine_of(tmp_path / "exp2") == "onnx"
    yolo_bac("--demo", "--project", tmp_path, "--source", many, "--shard", "1/7", "--name", "shards")
    assert engine_of(tmp_path / "shards" / "part-1-of-7") == "onnx"


def test_little_memory_is_onnx_runtime_s(yolo_bac: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "guard", lambda: None)  # of this process, that runs other tests
    monkeypatch.setattr(memory, "room", lambda: 300 << 20)
    yolo_bac("--demo", "--project", tmp_path)
    assert engine_of(tmp_path / "exp") == "onnx"


def test_lanes_are_what_memory_has_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    rooms = iter([400 << 20, 300 << 20])

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
