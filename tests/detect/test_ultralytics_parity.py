"""The boxes of a whole detection are those that the ultralytics package's own predict gives, with its defaults."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from entrypoint import Detector
from entrypoint.sources.samples import DEMO_SCENES, bundled_images
from entrypoint.values import Detections
from scripts.training.scenes import draw_scene
from tests.ultralytics import model_of, save, trained

MOST_PIXELS, MOST_CONFIDENCE = 0.05, 1e-4


def photographs() -> list[Path]:
    return [*sorted(bundled_images().glob("*.jpg")), *sorted(DEMO_SCENES.glob("*.png"))[:3]]


def image(path: Path) -> NDArray[np.uint8]:
    found = cv2.imread(str(path))
    assert found is not None
    return found.astype(np.uint8)


@torch.no_grad()
def confident(model: Any, share: float = 0.99) -> Any:
    """The same with biases by which a few of the images' cells are above the default threshold."""
    images = np.stack([cv2.resize(image(path), (320, 320)) for path in photographs()])
    x = torch.from_numpy(images[..., ::-1].copy()).permute(0, 3, 1, 2).float() / 255
    head = model.model[-1]
    read: list[torch.Tensor] = []
    handle = head.register_forward_pre_hook(lambda module, given: read.extend(one.clone() for one in given[0]))
    model(x)
    handle.remove()
    for branch in ("cv3", "one2one_cv3"):
        if not hasattr(head, branch):
            continue
        for feature, level in zip(read, getattr(head, branch), strict=True):
            logits = level(feature.clone()).amax(1)
            level[-1].bias -= logits.quantile(share) + 1.1  # the logit of 0.25
    return model.half().float()


def theirs(weights: Path, images: list[Path], **options: Any) -> list[Detections]:
    import ultralytics

    package: Any = ultralytics
    found = package.YOLO(weights, task="detect").predict(list(map(str, images)), verbose=False, device="cpu", **options)
    return [
        Detections(one.boxes.xyxy.numpy(), one.boxes.conf.numpy(), one.boxes.cls.numpy().astype(np.int64))
        for one in found
    ]


def assert_same(ours: Detections, expected: Detections) -> None:
    assert len(ours.xyxy) == len(expected.xyxy)
    left = set(range(len(ours.xyxy)))
    for box, confidence, class_id in zip(expected.xyxy, expected.confidence, expected.class_id, strict=True):
        nearest = min(left, key=lambda row: (ours.class_id[row] != class_id, np.abs(ours.xyxy[row] - box).max()))
        left.remove(nearest)
        assert ours.class_id[nearest] == class_id
        assert abs(ours.confidence[nearest] - confidence) <= MOST_CONFIDENCE
        np.testing.assert_allclose(ours.xyxy[nearest], box, rtol=0, atol=MOST_PIXELS)


@pytest.mark.parametrize("name", ["yolov8n", "yolo11n", "yolo26n", "yolov10n"])
def test_boxes_are_those_of_the_package(oracle: Any, tmp_path: Path, name: str) -> None:
    weights = save(confident(model_of(f"{name}.yaml", nc=5)), tmp_path / f"{name}.pt", {"imgsz": 320})
    images = photographs()
    ours = Detector(weights).detect([image(path) for path in images])
    expected = [found for path in images for found in theirs(weights, [path])]
    assert min(len(one.xyxy) for one in expected) > 0
    for mine, its in zip(ours, expected, strict=True):
        assert_same(mine, its)


@pytest.mark.parametrize("name", ["yolov8n", "yolo11n", "yolo26n"])
def test_a_trained_detector_finds_what_the_package_finds(oracle: Any, tmp_path: Path, name: str) -> None:
    side = 128
    learnt = [draw_scene(np.random.default_rng(number), side, side) for number in range(4)]
    model = trained(f"{name}.yaml", learnt)
    weights = save(model, tmp_path / f"{name}.pt", {"imgsz": side})
    others = [draw_scene(np.random.default_rng(50 + number), 160 + 10 * number, 140) for number in range(4)]
    paths = [tmp_path / f"{number}.png" for number in range(len(learnt) + len(others))]
    for path, scene in zip(paths, [*learnt, *others], strict=True):
        cv2.imwrite(str(path), scene.image)
    ours = Detector(weights).detect([image(path) for path in paths])
    expected = [found for path in paths for found in theirs(weights, [path])]
    for mine, its in zip(ours, expected, strict=True):
        assert_same(mine, its)
    # It has learnt: most objects of the scenes that it knows are found, where they are, as what they are.
    found = [
        bool(((its.class_id == class_id) & (np.abs(its.xyxy - box).max(1) < 16)).any())
        for scene, its in zip(learnt, expected, strict=False)
        for box, class_id in zip(scene.boxes, scene.classes, strict=True)
    ]
    assert sum(found) > 0.7 * len(found)


@pytest.mark.parametrize("name", ["yolov10n", "yolo26n"])
def test_a_head_that_needs_no_nms_gives_what_the_package_gives(oracle: Any, tmp_path: Path, name: str) -> None:
    model = confident(model_of(f"{name}.yaml", nc=5))
    model.model[-1].end2end = True
    fused = model.fuse(verbose=False)
    assert fused.model[-1].cv2 is None
    weights = save(fused, tmp_path / f"{name}.pt", {"imgsz": 320})
    for path in photographs()[:3]:
        (ours,) = Detector(weights).detect([image(path)])
        (expected,) = theirs(weights, [path])
        assert len(expected.xyxy) > 0
        assert_same(ours, expected)


def test_options_that_are_named_are_followed(oracle: Any, tmp_path: Path) -> None:
    weights = save(confident(model_of("yolov8n.yaml", nc=5)), tmp_path / "weights.pt", {"imgsz": 320})
    path = photographs()[0]
    ours = Detector(weights, imgsz=192, conf_thres=0.1, iou_thres=0.5, max_det=20, classes=[0, 1, 3]).detect(
        [image(path)]
    )
    (expected,) = theirs(weights, [path], imgsz=192, conf=0.1, iou=0.5, max_det=20, classes=[0, 1, 3])
    assert 0 < len(expected.xyxy) <= 20
    assert_same(ours[0], expected)
