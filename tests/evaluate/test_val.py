"""YOLOv5's way of measuring weights, held to its own val.py, which `scripts/peers FOLDER` fetches."""

import ast
import json
import os
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from entrypoint.evaluate.evaluation import evaluate
from entrypoint.evaluate.yolov5way import IOUS
from tests.conftest import Ended, records
from tests.evaluate.scenes import NAMES, scenes, write_yolo


@pytest.fixture
def environment() -> Path:
    """The environment that has val.py."""
    folder = os.environ.get("YOLO_BAC_PEERS")
    if not folder or not Path(folder, "val").is_dir():
        pytest.skip("YOLO_BAC_PEERS names no folder into which scripts/peers has fetched yolov5")
    return Path(folder, "val")


@pytest.fixture
def val(environment: Path) -> dict[str, Any]:
    """The functions of the package that count, without the rest of it, which imports what is not here."""
    (package,) = environment.glob("lib/*/site-packages/yolov5")
    older = SimpleNamespace(**vars(np), trapz=np.trapezoid)  # the name that it had in NumPy 1
    functions: dict[str, Any] = {"np": older, "torch": torch}
    for name in ("utils/metrics.py", "val.py"):
        tree = ast.parse((package / name).read_text())
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


def labelled(run: Path, images: Path, folder: Path) -> Path:
    """A dataset of the inputs of a run, whose objects are what was found there, not quite where it was found."""
    random_ = random.Random(5)
    names = json.loads((run / "status.json").read_bytes())["weights"]["classes"]
    for file, record in records(run).items():
        size = [record["width"], record["height"]]
        rows = []
        for found in record["detections"]:
            corners = np.array([[found["box"][f"{axis}{end}"] for axis in "xy"] for end in "12"])
            shaken = corners + [[random_.gauss(0, side / 25) for side in corners[1] - corners[0]] for _ in "12"]
            low, high = shaken.clip(0, size)
            rows.append([found["class"], *((low + high) / 2 / size), *((high - low) / size)])
        for kind in ("images", "labels"):
            (folder / kind).mkdir(parents=True, exist_ok=True)
        shutil.copy(images / file, folder / "images")
        text = "".join(" ".join(map(str, row)) + "\n" for row in rows)
        (folder / "labels" / file).with_suffix(".txt").write_text(text)
    named = "".join(f"  {number}: {json.dumps(name)}\n" for number, name in enumerate(names))
    (folder / "data.yaml").write_text(f"path: {folder}\ntrain: images\nval: images\nnames:\n{named}")
    return folder


def test_weights_are_as_good_as_val_py_says(
    tmp_path: Path, data: Path, yolo_bac: Callable[..., Ended], environment: Path
) -> None:
    weights, source = data / "weights" / "yolov5n-coco.pt", tmp_path / "photographs"
    source.mkdir()
    for path in (data / "images").glob("0*.jpg"):  # those of 640 pixels, which neither enlarges nor shrinks
        shutil.copy(path, source)
    common = ("--weights", weights, "--source", source, "--nosave", "--no-report", "--project", tmp_path)
    assert yolo_bac(*common, "--name", "truth", "--imgsz", 1280, "--conf-thres", 0.3).code == 0
    truth = labelled(tmp_path / "truth", source, tmp_path / "set")
    as_val_py = ("--conf-thres", 0.001, "--iou-thres", 0.6, "--max-det", 300, "--multi-label")
    assert yolo_bac(*common, "--name", "run", *as_val_py).code == 0
    assert yolo_bac("evaluate", tmp_path / "run", "--truth", truth).code == 0
    ours = json.loads((tmp_path / "run" / "evaluation.json").read_bytes())
    command: list[str | Path] = [environment / "bin" / "python", Path(__file__).with_name("valpy.py"), weights]
    quiet = os.environ | {"YOLOv5_AUTOINSTALL": "false", "YOLO_CONFIG_DIR": str(tmp_path / "own")}
    done = subprocess.run(
        [*command, truth / "data.yaml"], capture_output=True, text=True, check=False, cwd=tmp_path, env=quiet
    )
    assert done.returncode == 0, done.stderr
    theirs = json.loads(done.stdout.splitlines()[-1])
    assert theirs["mAP50"] > 0.3, "there is something to compare"
    assert ours["yolov5"] == pytest.approx(theirs, abs=1e-3)
    assert ours["warnings"] == []
