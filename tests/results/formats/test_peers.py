"""Datasets read back by tools too heavy for the tests' own environment; `scripts/peers FOLDER` makes theirs."""

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from entrypoint.exif import Exif
from entrypoint.results.formats.coco_json import CocoJson
from entrypoint.results.formats.coco_results import CocoResults
from entrypoint.results.formats.cvat import Cvat
from entrypoint.results.formats.labelstudio import LabelStudio
from entrypoint.results.formats.megadetector_json import MegaDetectorJson
from entrypoint.results.formats.voc import Voc
from entrypoint.values import Failure, Record
from tests.results.formats.tree import RECORDS, VIDEO, boxes, write

Reader = Callable[..., Any]


@pytest.fixture
def reader() -> Reader:
    """Runs Python code in one of the environments; it reads the file or folder `path`, and prints JSON last."""
    folder = os.environ.get("YOLO_BAC_PEERS")
    if not folder:
        pytest.skip("YOLO_BAC_PEERS names no folder of environments that scripts/peers has made")

    def read(environment: str, code: str, path: Path) -> Any:
        command: list[str | Path] = [
            f"{folder}/{environment}/bin/python",
            "-c",
            f"import sys, json; path = sys.argv[1]\n{code}",
            path,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=path.parent)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return read


def put_images(folder: Path, names: Callable[[str], str] = str) -> None:
    """The images of the tree, black, in a folder."""
    for record in RECORDS:
        if record.width and record.height:
            path = folder / names(record.file)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(cv2.imencode(".jpg", np.zeros((record.height, record.width, 3), np.uint8))[1].tobytes())


def assert_same_boxes(theirs: dict[str, list[list[float]]], tolerance: float) -> None:
    """Corners of each box by file, against those of the tree."""
    ours = {file: [list(box) for _, box in found] for file, found in boxes().items()}
    assert sorted(theirs) == sorted(ours)
    for file, corners in ours.items():
        found, expected = (np.array(sorted(some)).reshape(-1, 4) for some in (theirs[file], corners))
        assert np.allclose(found, expected, atol=tolerance), file


FAILED_VIDEO = Record.failed("failed.mp4", Failure("damaged", "it is no video"))
CUT_VIDEO = replace(VIDEO, file="cut.mp4", failure=Failure("truncated", "it ends early"))
STILLS = tuple(replace(record, exif=None if record.failure else Exif("2026:05:31 18:00:05")) for record in RECORDS)


@pytest.mark.parametrize(
    "records", [RECORDS, STILLS, (VIDEO, CUT_VIDEO, FAILED_VIDEO)], ids=["stills", "with times", "videos"]
)
def test_megadetectors_validator_finds_no_errors(tmp_path: Path, reader: Reader, records: Any) -> None:
    path = write(MegaDetectorJson, tmp_path, *records) / "megadetector.json"
    code = """
from megadetector.postprocessing.validate_batch_results import validate_batch_results
print(json.dumps(validate_batch_results(path)["validation_results"]))
"""
    found = reader("md", code, path)
    assert found["errors"] == []
    assert found["warnings"] == []


def test_label_studios_interface_accepts_every_prediction(tmp_path: Path, reader: Reader) -> None:
    path = write(LabelStudio, tmp_path) / "labelstudio"
    code = """
from pathlib import Path
from label_studio_sdk.label_interface import LabelInterface
interface = LabelInterface(Path(path, "label_config.xml").read_text())
tasks = json.loads(Path(path, "tasks.json").read_text())
print(json.dumps([interface.validate_prediction(p, return_errors=True) for task in tasks for p in task["predictions"]]))
"""
    assert reader("label", code, path) == [[], [], []]


DATUMARO = """
from datumaro import Dataset
dataset = Dataset.import_from(path, "{format}")
print(json.dumps({{item.id: [[b.x, b.y, b.x + b.w, b.y + b.h] for b in item.annotations] for item in dataset}}))
"""


def test_datumaro_reads_voc(tmp_path: Path, reader: Reader) -> None:
    voc = write(Voc, tmp_path) / "voc"
    put_images(voc / "JPEGImages", lambda file: file.replace("/", "__"))
    theirs = reader("datum", DATUMARO.format(format="voc"), voc)
    assert_same_boxes({f"{item.replace('__', '/')}.jpg": found for item, found in theirs.items()}, 0.06)


def test_datumaro_reads_cvat(tmp_path: Path, reader: Reader) -> None:
    cvat = write(Cvat, tmp_path) / "cvat"
    put_images(cvat / "images")
    theirs = reader("datum", DATUMARO.format(format="cvat"), cvat)
    assert_same_boxes({f"{item}.jpg": found for item, found in theirs.items()}, 0.06)


def test_datumaro_reads_coco(tmp_path: Path, reader: Reader) -> None:
    run = write(CocoJson, tmp_path)
    (run / "annotations").mkdir()
    (run / "coco.json").rename(run / "annotations" / "instances_default.json")
    put_images(run / "images" / "default")
    theirs = reader("datum", DATUMARO.format(format="coco"), run)
    assert_same_boxes({f"{item}.jpg": found for item, found in theirs.items()}, 0.06)


def test_faster_coco_eval_reads_coco_and_its_results(tmp_path: Path, reader: Reader) -> None:
    run = write(CocoJson, tmp_path / "truth")
    (write(CocoResults, tmp_path / "results") / "coco_results.json").rename(run / "coco_results.json")
    code = """
from faster_coco_eval import COCO
truth = COCO(f"{path}/coco.json")
def boxes(coco):
    found = {image["file_name"]: [] for image in truth.imgs.values()}
    for one in coco.loadAnns(coco.getAnnIds()):
        x, y, w, h = one["bbox"]
        found[truth.imgs[one["image_id"]]["file_name"]].append([x, y, x + w, y + h])
    return found
print(json.dumps([boxes(truth), boxes(truth.loadRes(f"{path}/coco_results.json"))]))
"""
    for theirs in reader("eval", code, run):
        assert_same_boxes(theirs, 1e-3)


SUPERVISION = """
from pathlib import Path
import supervision
images = Path(path) / "images"
dataset = {dataset}
files = dataset.annotations.items()
print(json.dumps({{str(Path(file).relative_to(images)): found.xyxy.tolist() for file, found in files}}))
"""


def test_supervision_reads_coco(tmp_path: Path, reader: Reader) -> None:
    run = write(CocoJson, tmp_path)
    put_images(run / "images")
    code = SUPERVISION.format(dataset='supervision.DetectionDataset.from_coco(str(images), f"{path}/coco.json")')
    assert_same_boxes(reader("super", code, run), 0.01)


def test_supervision_reads_voc(tmp_path: Path, reader: Reader) -> None:
    voc = write(Voc, tmp_path) / "voc"
    put_images(voc / "images", lambda file: file.replace("/", "__"))
    dataset = 'supervision.DetectionDataset.from_pascal_voc(str(images), f"{path}/Annotations")'
    theirs = reader("super", SUPERVISION.format(dataset=dataset), voc)
    # It takes the left upper corner, and only that, to be counted from 1.
    counted_from_0 = {
        file.replace("__", "/"): [[x1 + 1, y1 + 1, x2, y2] for x1, y1, x2, y2 in found]
        for file, found in theirs.items()
    }
    assert_same_boxes(counted_from_0, 0.01)
