"""What files of weights are, told without loading them."""

import json
import os
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from entrypoint.sources.samples import DEMO_WEIGHTS
from entrypoint.weights.find import find_weights
from entrypoint.weights.inspect import inspect
from tests.classic import Attack, save_classic, tiny_model, tiny_names
from tests.conftest import Ended
from tests.test_imports import HEAVY, RUN, ended
from tests.ultralytics import model_of, save


def test_a_classic_checkpoint(tmp_path: Path) -> None:
    model = tiny_model("cat", "dog")
    save_classic({"model": model.half(), "date": "2022-02-08"}, tmp_path / "weights", tiny_names())
    facts = inspect(tmp_path / "weights")
    assert (facts.kind, facts.family, facts.task) == ("torch checkpoint", "YOLOv5", "detection")
    assert (facts.classes, facts.stride, facts.date) == (("cat", "dog"), 32, "2022-02-08")
    assert facts.parameters == sum(parameter.numel() for parameter in model.parameters())
    assert facts.precision == "float16"
    assert "models.yolo.Detect" in facts.globals
    assert not facts.refused
    assert facts.fault is None


def test_a_checkpoint_of_the_ultralytics_package(oracle: Any, tmp_path: Path) -> None:
    model = model_of("yolo11n.yaml", nc=3)
    facts = inspect(save(model, tmp_path / "weights", {"imgsz": 160}))
    assert (facts.family, facts.architecture, facts.imgsz) == (
        "ultralytics",
        "DetectionModel (yolo11n.yaml)",
        (160, 160),
    )
    assert (facts.version or "").startswith("8.")
    assert facts.parameters == sum(parameter.numel() for parameter in model.parameters())
    assert facts.classes is not None
    assert len(facts.classes) == 3


def test_what_is_refused_is_named_and_not_run(tmp_path: Path, yolo_bac: Callable[..., Ended]) -> None:
    canary = tmp_path / "canary"
    model = tiny_model()
    model.extra = Attack(os.system, f"touch {canary}")  # type: ignore[assignment]
    save_classic({"model": model}, tmp_path / "weights", tiny_names())
    told = yolo_bac("inspect", tmp_path / "weights")
    assert told.code == 3
    assert "refused:      posix.system" in told.stdout
    assert not canary.exists()


def test_json_has_an_object_for_each_file(tmp_path: Path, yolo_bac: Callable[..., Ended]) -> None:
    (tmp_path / "text").write_text("hello")
    told = yolo_bac("inspect", "--json", DEMO_WEIGHTS, tmp_path / "text")
    assert told.code == 3
    demo, text = json.loads(told.stdout)
    assert demo["classes"] == ["circle", "square", "triangle"]
    assert (demo["fault"], text["family"]) == (None, None)
    assert "does not run" in text["fault"]


def test_a_checkpoint_that_was_packed_again_is_told_beside_others(
    tmp_path: Path, yolo_bac: Callable[..., Ended]
) -> None:
    again = tmp_path / "again.pt"
    with zipfile.ZipFile(DEMO_WEIGHTS) as old, zipfile.ZipFile(again, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    told = yolo_bac("inspect", "--json", again, DEMO_WEIGHTS)
    assert told.code == 3
    packed, demo = json.loads(told.stdout)
    assert "torch" in packed["fault"] and demo["fault"] is None
    (tmp_path / "demo.pt").write_bytes(DEMO_WEIGHTS.read_bytes())
    with pytest.raises(Exception, match="2 models under"):
        find_weights(None, (tmp_path,))


def test_a_file_that_is_not_there_is_said(tmp_path: Path, yolo_bac: Callable[..., Ended]) -> None:
    told = yolo_bac("inspect", tmp_path / "nowhere")
    assert (told.code, told.stdout) == (3, "")
    assert "cannot be read: No such file" in told.stderr


def test_several_weights_are_listed_in_the_same_words(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_classic({"model": tiny_model(name)}, tmp_path / name, tiny_names())
    with pytest.raises(Exception, match="2 models under") as caught:
        find_weights(None, (tmp_path,))
    rows = "\n".join(map(str, [caught.value, *getattr(caught.value, "details", ())]))
    assert inspect(tmp_path / "a").summary in rows
    assert "YOLOv5, detection, 1 classes" in rows


def test_it_takes_less_than_a_second_and_no_pytorch() -> None:
    assert ended(RUN % (HEAVY,), "inspect", DEMO_WEIGHTS) == "exit 0;"
    started = time.process_time()
    inspect(DEMO_WEIGHTS)
    assert time.process_time() - started < 1


def test_a_state_dict_says_what_it_lacks(tmp_path: Path) -> None:
    torch.save(tiny_model().state_dict(), tmp_path / "weights")
    assert "not a state_dict" in (inspect(tmp_path / "weights").fault or "")
