"""yolo, voc, cvat, labelstudio and coco-results: read back by the tools that people load them into."""

import io
import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from entrypoint.errors import UsageError
from entrypoint.results.formats.coco_json import CocoJson
from entrypoint.results.formats.coco_results import CocoResults
from entrypoint.results.formats.cvat import Cvat
from entrypoint.results.formats.labelstudio import LabelStudio
from entrypoint.results.formats.voc import Voc
from entrypoint.results.formats.yolo import Yolo, described
from entrypoint.settings import Settings
from entrypoint.values import Record
from tests.results.formats.tree import NAMES, RECORDS, VIDEO, Box, boxes, stored, write

Found = dict[str, list[tuple[str, Box]]]
PANLABEL = Path(sys.executable).parent / "panlabel"


def by_panlabel(path: Path, format_name: str) -> Found:
    """Class name and box of each annotation by file, as panlabel reads them after it has validated the dataset."""
    checked = subprocess.run(
        [PANLABEL, "validate", "--format", format_name, path], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    plain = path.parent / "panlabel.json"
    subprocess.run(
        [PANLABEL, "convert", "--from", format_name, "--to", "ir-json", "-i", path, "-o", plain],
        check=True,
        capture_output=True,
    )
    read = json.loads(plain.read_bytes())
    names = {category["id"]: category["name"] for category in read["categories"]}
    files = {image["id"]: image["file_name"] for image in read["images"]}
    theirs: Found = {file: [] for file in files.values()}
    for annotation in read["annotations"]:
        box = annotation["bbox"]
        corners = (box["xmin"], box["ymin"], box["xmax"], box["ymax"])
        theirs[files[annotation["image_id"]]].append((names[annotation["category_id"]], corners))
    return theirs


def assert_same(theirs: Found, tolerance: float) -> None:
    """The boxes of the tree, and no others."""
    ours = boxes()
    assert sorted(theirs) == sorted(ours)
    for file, found in ours.items():
        assert [name for name, _ in theirs[file]] == [name for name, _ in found]
        for (_, box), (_, expected) in zip(theirs[file], found, strict=True):
            assert box == pytest.approx(expected, abs=tolerance)


def by_coco_class(coco: Any) -> Found:
    """The same, as a dataset reads it that has the interface of pycocotools."""
    theirs: Found = {image["file_name"]: [] for image in coco.dataset["images"]}
    files = {image["id"]: image["file_name"] for image in coco.dataset["images"]}
    for annotation in coco.loadAnns(coco.getAnnIds()):
        x, y, width, height = annotation["bbox"]
        (category,) = coco.loadCats([annotation["category_id"]])
        theirs[files[annotation["image_id"]]].append((category["name"], (x, y, x + width, y + height)))
    return theirs


def test_panlabel_reads_coco(tmp_path: Path) -> None:
    assert_same(by_panlabel(write(CocoJson, tmp_path) / "coco.json", "coco"), 1e-3)


def test_pycocotools_and_hotcoco_read_coco(tmp_path: Path, capsys: Any) -> None:
    import hotcoco
    from pycocotools.coco import COCO  # type: ignore[import-untyped]

    path = str(write(CocoJson, tmp_path) / "coco.json")
    assert_same(by_coco_class(COCO(path)), 1e-3)
    assert_same(by_coco_class(hotcoco.COCO(path)), 1e-3)


def test_panlabel_reads_voc(tmp_path: Path) -> None:
    assert_same(by_panlabel(write(Voc, tmp_path) / "voc", "voc"), 1e-9)


def test_voc_has_what_datumaro_asks_for(tmp_path: Path) -> None:
    voc = write(Voc, tmp_path) / "voc"
    members = (voc / "ImageSets" / "Main" / "default.txt").read_text().splitlines()
    assert members == ["a b__x", "a b__ü (1)", "x"]
    assert sorted(path.stem for path in (voc / "Annotations").iterdir()) == sorted(members)
    labels = (voc / "labelmap.txt").read_text().splitlines()
    assert labels == [f"{name}:::" for name in NAMES]


def test_panlabel_reads_cvat(tmp_path: Path) -> None:
    assert_same(by_panlabel(write(Cvat, tmp_path) / "cvat" / "annotations.xml", "cvat"), 1e-9)


def test_a_score_in_cvat_is_an_attribute_that_the_label_declares(tmp_path: Path) -> None:
    root = ElementTree.parse(write(Cvat, tmp_path) / "cvat" / "annotations.xml").getroot()
    for label in root.iterfind("meta/task/labels/label"):
        assert [name.text for name in label.iterfind("attributes/attribute/name")] == ["score"]
    scores = [float(str(score.text)) for score in root.iterfind("image/box/attribute[@name='score']")]
    assert scores == [0.926123, 0.3, 1.0]
    assert [image.get("id") for image in root.iterfind("image")] == ["0", "1", "2"]


def test_panlabel_reads_label_studio(tmp_path: Path) -> None:
    run = write(LabelStudio, tmp_path, image_url="https://example.org/")
    tasks = json.loads((run / "labelstudio" / "tasks.json").read_bytes())
    assert [task["data"]["image"] for task in tasks] == [
        "https://example.org/a%20b/x.jpg",
        "https://example.org/a%20b/%C3%BC%20%281%29.jpg",
        "https://example.org/x.jpg",
    ]
    assert tasks.pop()["predictions"][0]["result"] == []  # of x.jpg, whose name panlabel takes for that of a b/x.jpg
    (tmp_path / "tasks.json").write_text(json.dumps(tasks))
    theirs = by_panlabel(tmp_path / "tasks.json", "label-studio")
    files = {"x.jpg": "a b/x.jpg", "%C3%BC%20%281%29.jpg": "a b/ü (1).jpg"}
    assert_same({files[file]: found for file, found in theirs.items()} | {"x.jpg": []}, 1e-4)


def test_the_labelling_interface_has_every_class_once(tmp_path: Path) -> None:
    root = ElementTree.parse(write(LabelStudio, tmp_path) / "labelstudio" / "label_config.xml").getroot()
    assert [label.get("value") for label in root.iter("Label")] == list(NAMES)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """The YOLO dataset of the tree, with its images put where data.yaml says."""
    yolo = write(Yolo, tmp_path) / "yolo"
    for record in RECORDS:
        path = yolo / "images" / record.file
        path.parent.mkdir(parents=True, exist_ok=True)
        if record.width and record.height:
            path.write_bytes(cv2.imencode(".jpg", np.zeros((record.height, record.width, 3), np.uint8))[1].tobytes())
        else:
            path.write_bytes(b"no image")
    return yolo


def test_ultralytics_loads_the_yolo_dataset(dataset: Path, oracle: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from ultralytics.data.dataset import YOLODataset
    from ultralytics.data.utils import check_det_dataset

    monkeypatch.chdir("/")  # the dataset is found from anywhere
    description = check_det_dataset(str(dataset / "data.yaml"), autodownload=False)
    assert description["names"] == dict(enumerate(NAMES))
    loaded = YOLODataset(img_path=description["train"], data=description, task="detect", imgsz=64, augment=False)
    theirs: Found = {}
    for label in loaded.labels:
        height, width = label["shape"]
        theirs[str(Path(label["im_file"]).relative_to(dataset / "images"))] = [
            (
                NAMES[int(class_id)],
                tuple(np.array([x - w / 2, y - h / 2, x + w / 2, y + h / 2]) * [width, height, width, height]),
            )
            for (class_id,), (x, y, w, h) in zip(label["cls"].tolist(), label["bboxes"].tolist(), strict=True)
        ]
    assert_same(theirs, 1e-3)


def test_an_image_without_objects_has_an_empty_label_file_and_a_failed_one_has_none(dataset: Path) -> None:
    labels = {
        str(path.relative_to(dataset / "labels")): path.stat().st_size > 0
        for path in (dataset / "labels").rglob("*.txt")
    }
    assert labels == {"a b/x.txt": True, "a b/ü (1).txt": True, "x.txt": False}
    assert (dataset / "classes.txt").read_text().splitlines() == list(NAMES)


@pytest.mark.parametrize("kind", [Yolo, Voc])
@pytest.mark.parametrize("other", ["x.jpeg", "x.png", "x"])
def test_two_images_that_differ_in_their_suffix_alone_are_refused_beforehand(kind: Any, other: str) -> None:
    with pytest.raises(UsageError, match=r"a/x\.jpg.*share one label file"):
        kind(Settings(), NAMES).expect(["a/w.jpg", "a/x.jpg", f"a/{other}", "b/x.jpg"])
    kind(Settings(), NAMES).expect(["a/w.jpg", "a/x.jpg", "b/x.jpg", "a/x.y.jpg", ".jpg"])


def test_flat_names_that_meet_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a__x"):
        Voc(Settings(), NAMES).expect(["a/x.jpg", "a__x.jpg"])


def test_pycocotools_takes_the_results_with_the_ids_of_coco_json(tmp_path: Path, capsys: Any) -> None:
    from pycocotools.coco import COCO

    truth = COCO(write(CocoJson, tmp_path / "truth") / "coco.json")
    results = truth.loadRes(str(write(CocoResults, tmp_path / "results") / "coco_results.json"))
    theirs: Found = {image["file_name"]: [] for image in truth.imgs.values()}
    for annotation in results.anns.values():
        x, y, width, height = annotation["bbox"]
        name = truth.cats[annotation["category_id"]]["name"]
        theirs[truth.imgs[annotation["image_id"]]["file_name"]].append((name, (x, y, x + width, y + height)))
    assert_same(theirs, 1e-3)
    assert [result["score"] for result in results.anns.values()] == [0.926123, 0.3, 1.0]


def test_coco_results_take_the_ids_of_a_ground_truth(tmp_path: Path) -> None:
    one = CocoResults(Settings(), NAMES)
    one.image_ids, one.category_ids = {"a b/x.jpg": 777}, {"person": 42}
    one.expect([record.file for record in RECORDS])
    file = io.BytesIO()
    with one.writing(file, {}, tmp_path) as take:
        for record in RECORDS:
            take(record)
    (only,) = json.loads(file.getvalue())
    assert (only["image_id"], only["category_id"]) == (777, 42)


@pytest.mark.parametrize("record", [VIDEO, replace(VIDEO, detections=stored(()))], ids=["found", "nothing found"])
@pytest.mark.parametrize("kind", [Yolo, Voc, Cvat, LabelStudio])
def test_videos_are_left_out_of_formats_for_stills_and_that_is_said(
    tmp_path: Path, kind: Any, record: Record, caplog: Any
) -> None:
    run = write(kind, tmp_path, record)
    assert "1 video left out" in caplog.text
    assert not any("clip" in path.read_text() for path in run.rglob("*.*") if path.is_file())


@pytest.mark.parametrize("kind", [Voc, Cvat, LabelStudio])
def test_control_characters_in_names_leave_xml_whole(tmp_path: Path, kind: Any) -> None:
    bad = "a\x01\x1b[31m\ufffe"
    record = RECORDS[0]
    assert record.detections
    odd = replace(record, file=f"{bad}.jpg", detections=(replace(next(iter(record.detections)), name=bad),))
    run = write(kind, tmp_path, odd)
    for path in run.rglob("*.xml"):
        ElementTree.parse(path)


def test_names_from_a_checkpoint_cannot_break_out_of_data_yaml(tmp_path: Path) -> None:
    import yaml  # type: ignore[import-untyped]

    names = ['x"\n- evil', "a\\", "\x85\u2028\ufeff\x00", "🐕", "#", "yes", "1"]
    assert yaml.safe_load(described(names))["names"] == dict(enumerate(names))


def test_nothing_but_plain_names_lies_in_the_folders(tmp_path: Path) -> None:
    for kind in (Yolo, Voc, Cvat, LabelStudio):
        run = write(kind, tmp_path / kind.name)
        assert {path.name for path in run.iterdir()} == {kind.name, "records.jsonl", "status.json"}
