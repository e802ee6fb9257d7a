"""The detector: memory that runs out, nothing found, what NMS selects."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from entrypoint.detect.detector import Detector, DetectorOptions
from entrypoint.detect.letterbox import Letterbox
from entrypoint.detect.nms import NmsOptions, select
from entrypoint.engines.onnx import OnnxEngine
from entrypoint.engines.torch import TorchEngine
from entrypoint.host.device import Device
from entrypoint.sources.decode import read_image
from entrypoint.sources.samples import DEMO_SCENES, DEMO_WEIGHTS
from entrypoint.values import Detections, Failure
from entrypoint.weights.classic.checkpoint import load_checkpoint

CPU = Device(torch.device("cpu"))


def detector(engine: str = "torch", **options: Any) -> Detector:
    network = load_checkpoint(DEMO_WEIGHTS).network
    made = TorchEngine(network, CPU) if engine == "torch" else OnnxEngine(network, threads=1)
    return Detector(made, network, DetectorOptions((320, 320), **options))


def detect(subject: Detector, box: Letterbox, images: list[np.ndarray]) -> list[Detections | Failure]:
    found = subject.look([box.apply(image) for image in images])
    return [outcome if isinstance(outcome, Failure) else subject.select([box], [outcome]) for outcome in found]


def scene(name: str = "scene-1.png") -> np.ndarray:
    image = read_image(Path(DEMO_SCENES / name))
    assert not isinstance(image, Failure)
    return image


def limit_batches(monkeypatch: pytest.MonkeyPatch, most: int, error: Exception) -> list[int]:
    """Make uploads of more than `most` images fail as a full GPU does; gives the batch sizes that were tried."""
    tried: list[int] = []
    upload = Device.upload

    def limited(self: Device, images: Any, layout: torch.memory_format) -> Any:
        tried.append(len(images))
        if len(images) > most:
            raise error
        return upload(self, images, layout)

    monkeypatch.setattr(Device, "upload", limited)
    return tried


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError()], ids=["GPU", "host"])
def test_a_batch_that_does_not_fit_is_halved(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    subject, image = detector(), scene()
    box = subject.letterbox(image.shape[1], image.shape[0])
    whole = detect(subject, box, [image] * 5)
    tried = limit_batches(monkeypatch, 2, error)
    halved = detect(subject, box, [image] * 5)
    assert tried == [5, 2, 3, 1, 2]
    for a, b in zip(whole, halved, strict=True):
        assert isinstance(a, Detections) and isinstance(b, Detections) and len(a) == len(b) == 3
        np.testing.assert_allclose(a.xyxy, b.xyxy, atol=1e-3)


def test_an_image_that_does_not_fit_alone_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    subject, image = detector(), scene()
    box = subject.letterbox(image.shape[1], image.shape[0])
    limit_batches(monkeypatch, 0, torch.OutOfMemoryError("CUDA out of memory"))
    found = detect(subject, box, [image] * 2)
    assert [outcome.kind for outcome in found if isinstance(outcome, Failure)] == ["out_of_memory"] * 2


def test_other_errors_are_not_taken_for_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    subject, image = detector(), scene()
    box = subject.letterbox(image.shape[1], image.shape[0])
    limit_batches(monkeypatch, 0, RuntimeError("cuDNN error"))
    with pytest.raises(RuntimeError, match="cuDNN error"):
        detect(subject, box, [image])


def test_nothing_found_is_empty_not_missing() -> None:
    subject = detector()
    box = subject.letterbox(200, 100)
    grey = np.full((100, 200, 3), 114, np.uint8)
    (found,) = detect(subject, box, [grey])
    assert isinstance(found, Detections)
    assert found.xyxy.shape == (0, 4) and len(found) == 0


def rows(*values: list[float]) -> NDArray[np.float32]:
    """Predictions as x, y, width, height, objectness, class scores."""
    return np.array(values, np.float32)


CAT, DOG = [50.0, 50, 20, 20, 0.9, 0.9, 0.1], [51.0, 50, 20, 20, 0.9, 0.1, 0.8]


@pytest.mark.parametrize(
    ("options", "classes"),
    [
        (NmsOptions(), [0, 1]),
        (NmsOptions(agnostic=True), [0]),
        (NmsOptions(classes=(1,)), [1]),
        (NmsOptions(classes=(1,), agnostic=True), [1]),  # the filter comes before NMS
        (NmsOptions(max_det=1), [0]),
        (NmsOptions(conf_thres=0.75), [0]),
        (NmsOptions(conf_thres=0.95), []),
    ],
)
def test_selection(options: NmsOptions, classes: list[int]) -> None:
    found = select(rows(CAT, DOG, [51.0, 51, 20, 20, 0.8, 0.9, 0.0]), options)
    assert found[:, 5].tolist() == classes
    assert (np.diff(found[:, 4]) <= 0).all()


@pytest.mark.parametrize(("threshold", "found"), [(0, 1000), (1e-9, 1000), (0.25, 3), (1, 0)])
def test_thresholds_from_end_to_end(threshold: float, found: int) -> None:
    subject = detector(nms=NmsOptions(threshold, 1.0))
    image = scene()
    (outcome,) = detect(subject, subject.letterbox(image.shape[1], image.shape[0]), [image])
    assert isinstance(outcome, Detections)
    assert len(outcome) >= 3 if found == 3 else len(outcome) == found


def test_boxes_are_corners_and_confidence_the_product() -> None:
    assert select(rows(CAT), NmsOptions())[0].tolist() == pytest.approx([40, 40, 60, 60, 0.81, 0])
