"""The detector: memory that runs out, nothing found, what NMS selects."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from entrypoint.detect.detector import Detector, DetectorOptions
from entrypoint.detect.letterbox import Letterbox
from entrypoint.detect.nms import NmsOptions
from entrypoint.detect.views import View
from entrypoint.engines.onnx import OnnxEngine
from entrypoint.engines.torch import TorchEngine
from entrypoint.host.device import CPU
from entrypoint.log import LOG
from entrypoint.sources.decode import decode_image
from entrypoint.sources.samples import DEMO_SCENES, DEMO_WEIGHTS
from entrypoint.values import Detections, Failure
from entrypoint.weights.checkpoint import load_checkpoint


def detector(engine: str = "torch", **options: Any) -> Detector:
    network = load_checkpoint(DEMO_WEIGHTS)
    made = TorchEngine(network.graph, CPU) if engine == "torch" else OnnxEngine(network.graph, threads=1)
    return Detector(made, network, DetectorOptions((320, 320), **options))


def detect(subject: Detector, box: Letterbox, images: list[np.ndarray]) -> list[Detections | Failure]:
    found = subject.look([box.apply(image) for image in images])
    return [outcome if isinstance(outcome, Failure) else subject.select([box], [outcome]) for outcome in found]


def scene(name: str = "scene-1.png") -> np.ndarray:
    image = decode_image((DEMO_SCENES / name).read_bytes())
    assert not isinstance(image, Failure)
    return image


def limit_batches(monkeypatch: pytest.MonkeyPatch, most: int, error: Exception) -> list[int]:
    """Make uploads of more than `most` images fail as a full GPU does; gives the batch sizes that were tried."""
    tried: list[int] = []
    upload = TorchEngine.upload

    def limited(self: TorchEngine, images: Any) -> Any:
        tried.append(len(images))
        if len(images) > most:
            raise error
        return upload(self, images)

    monkeypatch.setattr(TorchEngine, "upload", limited)
    return tried


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError()], ids=["GPU", "host"])
def test_a_batch_that_does_not_fit_is_halved(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    subject, image = detector(), scene()
    box = subject.letterbox(image.shape[1], image.shape[0])
    whole = detect(subject, box, [image] * 5)
    tried = limit_batches(monkeypatch, 2, error)
    halved = detect(subject, box, [image] * 5)
    assert tried == [5, 2, 2, 1]
    for a, b in zip(whole, halved, strict=True):
        assert isinstance(a, Detections) and isinstance(b, Detections) and len(a) == len(b) == 3
        np.testing.assert_allclose(a.xyxy, b.xyxy, atol=1e-3)


def test_how_many_fit_is_remembered_for_a_shape(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(LOG, "propagate", True)
    monkeypatch.setattr(TorchEngine, "held_by_others", lambda self: "other processes hold 9.8 of its 15.8 GB")
    subject = detector()
    tried = limit_batches(monkeypatch, 2, torch.OutOfMemoryError("CUDA out of memory"))
    for sides in ((64, 96), (64, 96), (96, 64)):
        subject.look([np.zeros((*sides, 3), np.uint8)] * 8)
    assert tried == [8, 4, 2, 2, 2, 2, *(2, 2, 2, 2), 8, 4, 2, 2, 2, 2]
    first, *_ = (entry.getMessage() for entry in caplog.records)
    assert first == (
        "8 images of 64 × 96 do not fit into the memory of cpu (other processes hold 9.8 of its 15.8 GB) together: "
        "going on with 4"
    )


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


@pytest.mark.parametrize(("threshold", "found"), [(0, 1000), (1e-9, 1000), (0.25, 3), (1, 0)])
def test_thresholds_from_end_to_end(threshold: float, found: int) -> None:
    subject = detector(nms=NmsOptions(threshold, 1.0))
    image = scene()
    (outcome,) = detect(subject, subject.letterbox(image.shape[1], image.shape[0]), [image])
    assert isinstance(outcome, Detections)
    assert len(outcome) >= 3 if found == 3 else len(outcome) == found


class Tiles(Detector):
    """The whole frame, and its left and right half."""

    def views(self, image: NDArray[np.uint8]) -> tuple[View, ...]:
        height, width, _ = image.shape
        halves = []
        for x in (0, width // 2):
            part = image[:, x : x + width // 2]
            letterbox = replace(self.letterbox(width // 2, height), x=x)
            halves.append(View(letterbox, letterbox.apply(part)))
        return (*super().views(image), *halves)


def test_what_several_views_show_is_one_set_of_detections() -> None:
    image = np.concatenate([scene(), scene()], 1)
    alone, tiled = detector(), Tiles(detector().engine, load_checkpoint(DEMO_WEIGHTS), DetectorOptions((320, 320)))
    (found,) = detect(alone, alone.letterbox(*image.shape[1::-1]), [image])
    views = tiled.views(image)
    looked = [tiled.look([view.pixels])[0] for view in views]
    assert isinstance(found, Detections) and not any(isinstance(one, Failure) for one in looked)
    together = tiled.select([view.letterbox for view in views], [one for one in looked if not isinstance(one, Failure)])
    (half,) = detect(alone, alone.letterbox(*scene().shape[1::-1]), [scene()])
    assert isinstance(half, Detections) and len(half) == 3
    assert len(together) == 6  # each shape once, although two views show it
    for offset in (0, image.shape[1] // 2):
        for box, class_id in zip(half.xyxy + np.array([offset, 0] * 2, np.float32), half.class_id, strict=True):
            same = together.class_id == class_id
            assert np.abs(together.xyxy[same] - box).max(1).min() < 8


def test_one_view_keeps_its_last_bit_beside_others_that_show_nothing() -> None:
    subject, image = detector(), scene()
    box = subject.letterbox(image.shape[1], image.shape[0])
    (rows,) = subject.look([box.apply(image)])
    assert not isinstance(rows, Failure)
    alone, beside = subject.select([box], [rows]), subject.select([box, box], [rows, rows[:0]])
    np.testing.assert_array_equal(alone.xyxy, beside.xyxy)
    np.testing.assert_array_equal(alone.confidence, beside.confidence)
