"""Two classic checkpoints as an ensemble find what YOLOv5's own detect.py finds with the same two."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import yolov5
from tests.conftest import Ended, records
from tests.detect.test_parity import assert_same

ANOTHER = """
import sys, torch
content = torch.load(sys.argv[1], map_location="cpu", weights_only=False)
model = (content.get("ema") or content["model"]).float()
noise = torch.Generator().manual_seed(5)
for parameter in model.parameters():
    parameter.data += torch.randn(parameter.shape, generator=noise) * 0.04 * parameter.std(correction=0)
torch.save({"model": model.half()}, sys.argv[2])
"""
"""Makes a checkpoint that finds much the same, each object with a box and a confidence of its own."""


def found_by_detect_py(labels: Path, record: dict[str, Any]) -> dict[str, Any]:
    """What it wrote of an image, class, centre, size and confidence a line, with boxes in pixels."""
    width, height = record["width"], record["height"]
    detections = []
    path = labels / f"{Path(record['file']).stem}.txt"
    for line in path.read_text().splitlines() if path.exists() else ():
        class_id, x, y, w, h, confidence = map(float, line.split())
        box = [(x - w / 2) * width, (y - h / 2) * height, (x + w / 2) * width, (y + h / 2) * height]
        detections.append({"class": int(class_id), "confidence": confidence, "box": box})
    return {"width": width, "height": height, "detections": detections}


@pytest.mark.parametrize("options", [(), ("--conf-thres", "0.1", "--iou-thres", "0.6"), ("--augment",)], ids=" ".join)
def test_two_checkpoints_find_what_detect_py_finds(
    yolo_bac: Callable[..., Ended], data: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    one, other = data / "weights" / "yolov5n-coco.pt", tmp_path / "other.pt"
    peer = yolov5.peer()
    yolov5.run(peer, "-c", ANOTHER, one, other)
    job = ("--weights", one, other, "--source", data / "images", *options, "--nosave")
    yolov5.run(
        peer, "detect.py", *job, "--save-txt", "--save-conf", "--project", tmp_path / "theirs", "--device", "cpu"
    )
    assert yolo_bac(*job, "--project", tmp_path / "ours").code == 0
    alone = ("--weights", one, *job[3:], "--project", tmp_path / "alone")
    assert yolo_bac(*alone).code == 0
    ours, by_one = records(tmp_path / "ours" / "exp"), records(tmp_path / "alone" / "exp")
    count = 0
    for record in ours.values():
        expected = found_by_detect_py(tmp_path / "theirs" / "exp" / "labels", record)
        assert_same(record, expected)
        count += len(expected["detections"])
    assert count > 30
    assert any(record["detections"] != by_one[file]["detections"] for file, record in ours.items())
