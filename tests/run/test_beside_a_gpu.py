"""What a job does where a GPU is there: when it guards its memory, and what it says of a GPU that it does not use.

The GPU is played: a network that the GPU's engine refuses before it touches CUDA runs on the CPU.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from entrypoint.detect.loading import load
from entrypoint.host import memory
from entrypoint.run import plan
from tests.conftest import Ended
from tests.exports import ULTRALYTICS, Suppressed, demo_model, export_onnx
from tests.pretendgpu import gpu
from tests.schemas import assert_valid

Run = Callable[..., Ended]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The steps of a job that matter here, in their order, where a GPU is played."""
    found: list[object] = []

    def devices_for(_: object) -> list[Any]:
        found.append("the GPU is tried")
        return [gpu()]

    monkeypatch.setattr(plan, "may_use_gpu", lambda _: True)
    monkeypatch.setattr(plan, "import_ahead", lambda: found.append("PyTorch is imported"))
    monkeypatch.setattr(plan, "devices_for", devices_for)
    monkeypatch.setattr(memory, "guard", lambda *, by_host=False: found.append(("guard", by_host)))

    def loaded(*arguments: Any) -> Any:
        found.append("the network is loaded")
        return load(*arguments)

    monkeypatch.setattr(plan, "load", loaded)
    return found


def test_an_export_that_a_gpu_cannot_run_says_so_where_a_person_sees_it(
    yolo_bac: Run, tmp_path: Path, calls: list[object]
) -> None:
    weights = export_onnx(Suppressed(demo_model()), tmp_path / "weights", ULTRALYTICS)
    ended = yolo_bac("--demo", "--weights", weights, "--project", tmp_path)
    status = json.loads((tmp_path / "exp" / "status.json").read_bytes())
    assert_valid(status, "status")
    (note,) = status["notes"]
    assert ended.code == 0 and f"{note}\n" in ended.stdout
    assert note.startswith(
        "Ran on the CPU, many times slower, and not on cuda:0 (Tesla T4, FP32): PyTorch's table has no"
    )
    assert note.endswith("bring the .pt file that it was exported from, or export it without NMS")
    assert status["device"] == "cpu (CPU, FP32)"
    assert calls == ["PyTorch is imported", "the GPU is tried", "the network is loaded", ("guard", True)]


def test_without_a_gpu_there_is_nothing_to_note_and_the_guard_comes_first(
    yolo_bac: Run, tmp_path: Path, calls: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    guards: list[bool] = []
    monkeypatch.setattr(memory, "guard", lambda *, by_host=False: guards.append(by_host))
    assert yolo_bac("--demo", "--device", "cpu", "--project", tmp_path).code == 0
    assert "notes" not in json.loads((tmp_path / "exp" / "status.json").read_bytes())
    assert guards == [False, True]
