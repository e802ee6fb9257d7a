"""Weights in another format compute what they did, and can do no more than that."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from entrypoint.engines.onnx import OnnxEngine
from entrypoint.errors import OutputError, WeightsError
from entrypoint.sources.samples import DEMO_SCENES, DEMO_WEIGHTS
from entrypoint.weights.checkpoint import load_checkpoint
from entrypoint.weights.convert import convert as module
from entrypoint.weights.convert.plain import plain_content
from entrypoint.weights.find import find_weights
from entrypoint.weights.onnxfile.load import load_onnx
from tests.conftest import Ended, records
from tests.test_imports import HEAVY, RUN, ended
from tests.ultralytics import model_of, save


@pytest.fixture(params=["classic", "yolo11n", "yolov10n"])
def weights(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "classic":
        return DEMO_WEIGHTS
    request.getfixturevalue("oracle")
    return save(model_of(f"{request.param}.yaml", nc=3), tmp_path / "original")


def test_a_safe_checkpoint_loads_everywhere_and_computes_the_same(
    weights: Path, tmp_path: Path, yolo_bac: Callable[..., Ended]
) -> None:
    safe, pixels = tmp_path / "safe.pt", np.random.default_rng(0).random((1, 3, 64, 96), np.float32)
    assert yolo_bac("convert", weights, "--to", "safe-pt", "--output", safe).code == 0
    content = torch.load(safe, weights_only=True)
    assert isinstance(content["model"]["state"], dict)
    ours, theirs = load_checkpoint(safe), load_checkpoint(weights)
    assert (ours.names, ours.stride, ours.family) == (theirs.names, theirs.stride, theirs.family)
    for mine, its in zip(*(OnnxEngine(one.graph, 1).run(pixels) for one in (ours, theirs)), strict=True):
        np.testing.assert_array_equal(mine, its)


@pytest.mark.parametrize("size", [None, (64, 96)])
def test_an_onnx_file_gives_the_boxes(weights: Path, tmp_path: Path, size: tuple[int, int] | None) -> None:
    target, shape = tmp_path / "made.onnx", (96, 64) if size is None else size
    pixels = np.random.default_rng(1).random((1 if size else 2, 3, *shape), np.float32)
    module.convert(find_weights(str(weights), ()), "onnx", target, size)
    session = onnxruntime.InferenceSession(target, providers=["CPUExecutionProvider"])
    notes = session.get_modelmeta().custom_metadata_map
    network = load_checkpoint(weights)
    assert notes["names"] == repr(dict(enumerate(network.names)))
    assert notes["stride"] == "32"
    (found,) = session.run(None, {"images": pixels})
    image, rows = network.candidates(OnnxEngine(network.graph, 1).run(pixels), -1)
    for number in range(len(pixels)):
        theirs, one = rows[image == number], found[number] if weights == DEMO_WEIGHTS else found[number].T
        scores = one[:, 5:] * one[:, 4:5] if weights == DEMO_WEIGHTS else one[:, 4:]
        np.testing.assert_allclose(one[:, :2], (theirs[:, :2] + theirs[:, 2:4]) / 2, rtol=1e-3, atol=0.01)
        np.testing.assert_allclose(one[:, 2:4], theirs[:, 2:4] - theirs[:, :2], rtol=1e-3, atol=0.01)
        np.testing.assert_allclose(scores.max(1), theirs[:, 4], atol=1e-4)


def test_a_network_of_two_levels_is_written_as_a_file_that_runs(oracle: Any, tmp_path: Path) -> None:
    backbone = [[-1, 1, "Conv", [8, 3, 2]] for _ in range(5)]
    plan = {"nc": 3, "backbone": backbone, "head": [[[3, 4], 1, "Detect", ["nc"]]]}
    module.convert(find_weights(str(save(model_of(plan), tmp_path / "a")), ()), "onnx", tmp_path / "b.onnx")
    assert len(load_onnx(tmp_path / "b.onnx").names) == 3


def test_what_this_program_would_not_run_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_notes", lambda network, size: {"task": "classify"})
    with pytest.raises(WeightsError, match="one that this program runs"):
        module.convert(find_weights(str(DEMO_WEIGHTS), ()), "onnx", tmp_path / "b.onnx")
    assert not (tmp_path / "b.onnx").exists()


def test_a_safe_checkpoint_finds_what_the_original_finds(tmp_path: Path, yolo_bac: Callable[..., Ended]) -> None:
    safe = tmp_path / "safe.pt"
    assert yolo_bac("convert", DEMO_WEIGHTS, "--to", "safe-pt", "--output", safe).code == 0
    for name, path in (("original", DEMO_WEIGHTS), ("safe", safe)):
        job = ("--weights", path, "--source", DEMO_SCENES, "--imgsz", 320, "--project", tmp_path, "--name", name)
        assert yolo_bac(*job).code == 0
    assert records(tmp_path / "original") == records(tmp_path / "safe")


def test_a_file_that_computes_something_else_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "safe.pt"

    def spoiled(model: Any, notes: dict[str, Any]) -> dict[str, Any]:
        content: dict[str, Any] = plain_content(model, notes)
        layer: Any = content["model"]
        for name in ("model", "0", "conv"):
            layer = layer["state"]["_modules"][name]
        parameters = layer["state"]["_parameters"]
        parameters["weight"] = parameters["weight"] * np.float16(1.5)
        return content

    monkeypatch.setattr(module, "plain_content", spoiled)
    with pytest.raises(WeightsError, match="is not kept"):
        module.convert(find_weights(str(DEMO_WEIGHTS), ()), "safe-pt", target)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_never_replaced(tmp_path: Path, yolo_bac: Callable[..., Ended]) -> None:
    target = tmp_path / "mine.onnx"
    target.write_text("what was there")
    told = yolo_bac("convert", DEMO_WEIGHTS, "--to", "onnx", "--output", target)
    assert told.code == 6
    assert "mine.onnx is there already; remove it, or name another file" in told.stderr.partition("\n")[0]
    assert target.read_text() == "what was there"
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_that_comes_while_the_weights_are_converted_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "mine.safe.pt"

    def meanwhile(*args: Any) -> object:
        target.write_text("theirs")
        return plain_content(*args)

    monkeypatch.setattr(module, "plain_content", meanwhile)
    with pytest.raises(OutputError, match="is there already"):
        module.convert(find_weights(str(DEMO_WEIGHTS), ()), "safe-pt", target)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["theirs"]


def test_an_onnx_file_for_any_size_finds_what_the_original_finds(
    tmp_path: Path, yolo_bac: Callable[..., Ended]
) -> None:
    """Of scenes that are no squares: both are padded to the same rectangle."""
    target = tmp_path / "shapes.onnx"
    told = yolo_bac("convert", DEMO_WEIGHTS, "--to", "onnx", "--output", target)
    assert f"Written: {target}" in told.stdout
    for name, path in (("original", DEMO_WEIGHTS), ("onnx", target)):
        job = ("--weights", path, "--source", DEMO_SCENES, "--imgsz", 320, "--project", tmp_path, "--name", name)
        assert yolo_bac(*job).code == 0
    before, after = records(tmp_path / "original"), records(tmp_path / "onnx")
    assert any(record["width"] != record["height"] for record in before.values())
    for file, record in before.items():
        assert [one["class"] for one in record["detections"]] == [one["class"] for one in after[file]["detections"]]
        for one, other in zip(record["detections"], after[file]["detections"], strict=True):
            assert one["box"] == pytest.approx(other["box"], abs=0.01)
            assert one["confidence"] == pytest.approx(other["confidence"], abs=1e-4)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--to", "safe-pt", "--size", "64"], 2, "--size is for --to onnx alone"),
        (["--to", "onnx", "--size", "100"], 3, "no multiples of this network's stride, 32"),
        (["--to", "onnx", "--output", "/proc/nothing/here"], 6, "cannot be written"),
        (["--to", "coreml"], 2, "--to"),
    ],
    ids=["size", "stride", "place", "format"],
)
def test_what_cannot_be_done_is_said(
    tmp_path: Path,
    yolo_bac: Callable[..., Ended],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    code: int,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    told = yolo_bac("convert", DEMO_WEIGHTS, *words)
    assert told.code == code
    assert said in told.stderr


def test_pytorch_is_not_needed(tmp_path: Path) -> None:
    for to in ("safe-pt", "onnx"):
        assert ended(RUN % (HEAVY,), "convert", DEMO_WEIGHTS, "--to", to, "--output", tmp_path / to) == "exit 0;"


@pytest.mark.parametrize("grown", ["wide", "deep"])
def test_a_plain_file_cannot_ask_for_much_by_little(tmp_path: Path, yolo_bac: Callable[..., Ended], grown: str) -> None:
    state: Any = {}
    for _ in range(60 if grown == "wide" else 300):
        state = {"a": state, "b": state} if grown == "wide" else {"a": state}
    content = {"yolo-bac": 1, "model": {"class": "models.yolo.Model", "state": state}}
    torch.save(content, tmp_path / "weights")
    told = yolo_bac("--weights", tmp_path / "weights", "--source", DEMO_SCENES, "--project", tmp_path / "out")
    assert told.code == 3
    assert "as no model does" in told.stderr


@pytest.mark.parametrize("name", ["os.system", "torch.nn.modules.module.Module"])
def test_a_plain_file_of_other_classes_is_refused(tmp_path: Path, yolo_bac: Callable[..., Ended], name: str) -> None:
    torch.save({"yolo-bac": 1, "model": {"class": name, "state": {"_modules": {}}}}, tmp_path / "weights")
    told = yolo_bac("--weights", tmp_path / "weights", "--source", DEMO_SCENES, "--project", tmp_path / "out")
    assert (told.code, told.stdout) == (3, "")
