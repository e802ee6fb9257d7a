"""A further family is an entry in the registry: what it makes of its outputs goes through a whole job."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from entrypoint.engines.protobuf import serialised
from entrypoint.models import windows
from entrypoint.models.graph import PIXELS, Graph, Writer
from entrypoint.models.network import Candidates, Network, Output
from entrypoint.sources.filetype import ONNX
from entrypoint.sources.samples import DEMO_SCENES
from entrypoint.weights import registry
from tests.conftest import Ended, records

SIDE = 320


def brightness() -> Graph:
    """How bright each 32 × 32 block of the one size of image is, in (B, 1, 10, 10)."""
    writer = Writer(SIDE)
    writer.graph.inputs = {PIXELS: ("batch", 3, SIDE, SIDE)}
    kernel = np.full((1, 3, 32, 32), 1 / (3 * 32 * 32), np.float32)
    writer.graph.outputs = [windows.convolution(writer.pixels, kernel, None, (32, 32)).name]
    return writer.graph


class Toy(Network):
    """Finds the bright blocks; there is no objectness, and no other size of image."""

    names, stride, size = ("dark", "bright"), 32, (SIDE, SIDE)

    def __init__(self) -> None:
        self.graph = brightness()

    def candidates(self, outputs: Sequence[Output], threshold: float, multi_label: bool = False) -> Candidates:
        (values,) = map(np.asarray, outputs)
        image, _, row, column = np.nonzero(values > threshold)
        corner = np.stack((column, row), 1) * 32
        confidence = values[image, 0, row, column, None]
        rows = np.concatenate((corner, corner + 32, confidence, np.ones_like(confidence)), 1, dtype=np.float32)
        return image, rows


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A file that is recognised as a kind of weights, and a family that reads that kind."""
    path = tmp_path / "toy"
    path.write_bytes(serialised(brightness()))
    monkeypatch.setitem(registry.LOADERS, ONNX, lambda path: Toy())
    return path


@pytest.mark.parametrize("engine", ["auto", "torch"])
def test_a_family_of_one_size_and_without_objectness_runs_a_job(
    yolo_bac: Callable[..., Ended], tmp_path: Path, toy: Path, engine: str
) -> None:
    arguments = ["--weights", toy, "--source", DEMO_SCENES, "--project", tmp_path, "--engine", engine]
    ended = yolo_bac(*arguments, "--conf-thres", 0.4, "--save-txt")
    assert ended.code == 0, ended.stderr
    assert "--imgsz is 320 × 320, the only size that this network takes" in ended.stderr
    found = records(tmp_path / "exp")
    boxes = [detection["box"] for record in found.values() for detection in record["detections"]]
    assert {detection["name"] for record in found.values() for detection in record["detections"]} == {"bright"}
    assert all(0 <= box["x1"] <= box["x2"] and 0 <= box["y1"] <= box["y2"] for box in boxes)
    square = found["scene-1.png"]  # of just that size: its blocks come back as they are
    assert (square["width"], square["height"]) == (SIDE, SIDE) and square["detections"]
    for detection in square["detections"]:
        box = detection["box"]
        assert box["x1"] % 32 == box["y1"] % 32 == 0 and box["x2"] - box["x1"] == box["y2"] - box["y1"] == 32


def test_what_a_family_does_not_have_is_refused(yolo_bac: Callable[..., Ended], tmp_path: Path, toy: Path) -> None:
    ended = yolo_bac("--weights", toy, "--source", DEMO_SCENES, "--project", tmp_path, "--augment")
    assert ended.code == 2 and "a family without augmented inference" in ended.stderr.splitlines()[0]
