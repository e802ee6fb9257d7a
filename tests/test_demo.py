"""The embedded demo: a trained network that needs nothing from outside."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from entrypoint.sources.samples import DEMO_SCENES, DEMO_WEIGHTS
from scripts.training.scenes import NAMES, Scene, draw_scene
from tests.conftest import Ended, records

HELD_OUT_SEED = 7_000_000  # train.py draws from seed 0, its samples from 2024
HELD_OUT_SCENES = 120


def iou(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Intersection over union of one xyxy box with (n, 4) others."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    shared = (high - low).clip(0).prod(1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1) + (box[2:] - box[:2]).prod()
    return np.asarray(shared / (areas - shared))


def average_precision(detections: list[tuple[float, int, np.ndarray]], truth: list[np.ndarray]) -> float:
    """Area under the precision-recall curve of one class at IoU 0.5; detections are (confidence, image, box)."""
    taken = [np.zeros(len(boxes), bool) for boxes in truth]
    hits = []
    for _, image, box in sorted(detections, key=lambda d: -d[0]):
        overlaps = np.where(taken[image], 0.0, iou(box, truth[image])) if len(truth[image]) else np.zeros(1)
        best = int(overlaps.argmax())
        hits.append(overlaps[best] >= 0.5)
        if hits[-1]:
            taken[image][best] = True
    true_positives = np.cumsum(hits)
    recall = true_positives / sum(map(len, truth))
    precision = np.maximum.accumulate((true_positives / np.arange(1, len(hits) + 1))[::-1])[::-1]
    return float(np.sum(np.diff(recall, prepend=0) * precision))


def test_average_precision_of_known_cases() -> None:
    box, elsewhere = np.array([0.0, 0, 10, 10]), np.array([50.0, 50, 60, 60])
    truth = [np.stack([box, elsewhere])]
    assert average_precision([(0.9, 0, box), (0.8, 0, elsewhere)], truth) == 1
    assert average_precision([(0.9, 0, box)], truth) == 0.5
    assert average_precision([(0.9, 0, box), (0.8, 0, box)], truth) == 0.5
    assert average_precision([(0.9, 0, box + 100), (0.8, 0, box), (0.7, 0, elsewhere)], truth) == pytest.approx(2 / 3)


def test_held_out_scenes_reach_a_map_of_95_percent(yolo_bac: Callable[..., Ended], tmp_path: Path) -> None:
    random = np.random.default_rng(HELD_OUT_SEED)
    scenes: list[Scene] = []
    (tmp_path / "in").mkdir()
    for number in range(HELD_OUT_SCENES):
        width, height = (int(side) for side in random.integers(160, 400, 2))
        scenes.append(draw_scene(random, width, height))
        cv2.imwrite(str(tmp_path / "in" / f"{number:03}.png"), scenes[-1].image)
    options = ["--conf-thres", 0.001, "--iou-thres", 0.6, "--nosave", "--project", tmp_path]
    assert yolo_bac("--demo", "--source", tmp_path / "in", *options).code == 0

    found = list(records(tmp_path / "exp").values())
    scores = []
    for class_id in range(len(NAMES)):
        detections = [
            (d["confidence"], image, np.array(list(d["box"].values())))
            for image, record in enumerate(found)
            for d in record["detections"]
            if d["class"] == class_id
        ]
        truth = [scene.boxes[scene.classes == class_id] for scene in scenes]
        scores.append(average_precision(detections, truth))
    print("AP@0.5", dict(zip(NAMES, scores, strict=True)))
    assert np.mean(scores) >= 0.95


def test_sample_scenes_are_detected_as_their_ground_truth_says(yolo_bac: Callable[..., Ended], tmp_path: Path) -> None:
    ended = yolo_bac("--demo", "--project", tmp_path)
    assert ended.code == 0, ended.stderr
    truth = json.loads((DEMO_SCENES.parent / "truth.json").read_bytes())
    found = records(tmp_path / "exp")
    assert found.keys() == truth.keys()
    for file, shapes in truth.items():
        assert len(found[file]["detections"]) == len(shapes)
        for shape in shapes:
            boxes = [list(d["box"].values()) for d in found[file]["detections"] if d["name"] == shape["name"]]
            assert boxes and iou(np.array(shape["box"]), np.array(boxes)).max() > 0.7


def test_the_checkpoint_is_small_and_in_the_classic_format() -> None:
    data = DEMO_WEIGHTS.read_bytes()
    assert len(data) <= 1_000_000
    assert b"cmodels.yolo\nModel\n" in data
    assert b"cmodels.common\nC3\n" in data
