"""YOLOv5's way of counting, held to the code of its own val.py; `scripts/peers FOLDER` fetches that."""

import ast
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from entrypoint.evaluate.evaluation import evaluate
from entrypoint.evaluate.yolov5way import IOUS
from tests.evaluate.scenes import NAMES, scenes, write_yolo


@pytest.fixture
def val() -> dict[str, Any]:
    """The functions of the package that count, without the rest of it, which imports what is not here."""
    folder = os.environ.get("YOLO_BAC_PEERS")
    if not folder or not Path(folder, "val").is_dir():
        pytest.skip("YOLO_BAC_PEERS names no folder into which scripts/peers has fetched yolov5")
    older = SimpleNamespace(**vars(np), trapz=np.trapezoid)  # the name that it had in NumPy 1
    functions: dict[str, Any] = {"np": older, "torch": torch}
    for name in ("utils/metrics.py", "val.py"):
        tree = ast.parse(Path(folder, "val", "yolov5", name).read_text())
        wanted = {"process_batch", "ap_per_class", "compute_ap", "smooth", "box_iou"}
        tree.body = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in wanted]
        exec(compile(tree, name, "exec"), functions)
    return functions


def test_the_numbers_are_those_of_val_py_on_the_same_boxes(tmp_path: Path, val: dict[str, Any]) -> None:
    truth, records = scenes(300, seed=11, ties=False)  # which it counts in an order that is left to chance
    ours = evaluate(records, NAMES, write_yolo(truth, tmp_path), 0.001).yolov5
    ids = [category["id"] for category in truth["categories"]]
    stats = []
    for image, record in zip(truth["images"], records, strict=True):
        objects = [one for one in truth["annotations"] if one["image_id"] == image["id"] and not one["iscrowd"]]
        labels = torch.tensor([[ids.index(one["category_id"]), *one["bbox"]] for one in objects]).reshape(-1, 5)
        labels[:, 3:] += labels[:, 1:3]
        rows = [[*one.box, one.confidence, one.class_id] for one in record.detections or ()]
        found = torch.tensor(rows, dtype=torch.float32).reshape(-1, 6)
        correct = val["process_batch"](found, labels, torch.from_numpy(IOUS))
        stats.append((correct.numpy(), found[:, 4].numpy(), found[:, 5].numpy(), labels[:, 0].numpy()))
    results = val["ap_per_class"](*(np.concatenate(part) for part in zip(*stats, strict=True)), names={})
    ap, classes = results[5], results[6]
    assert np.allclose(ours.ap[classes], ap, atol=1e-3)
    assert ours.map50 == pytest.approx(ap[:, 0].mean(), abs=1e-3)
    assert ours.map == pytest.approx(ap.mean(), abs=1e-3)
