"""The files of a run: valid by their schemas, true to each other, standard formats."""

import csv
import json
import os
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from entrypoint.results.claim import claim
from entrypoint.results.draw import DrawOptions, annotate
from entrypoint.results.formats.base import AnnotatedFrame
from entrypoint.results.formats.crops import Crops
from entrypoint.results.paths import result_path
from entrypoint.settings import Settings
from entrypoint.sources.samples import DEMO_SCENES
from entrypoint.values import Detections
from tests.conftest import Ended, records
from tests.schemas import assert_valid


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Scenes in a small tree under several formats, an image with nothing on it, and one that fails."""
    root = tmp_path / "in"
    (root / "a" / "b").mkdir(parents=True)
    scene = cv2.imread(str(DEMO_SCENES / "scene-1.png"))
    assert scene is not None
    for name in ("top.jpg", "a/img.png", "a/img.bmp", "a/b/ünï cødé.webp", "a/b/two  spaces.tif"):
        (root / name).write_bytes(cv2.imencode(Path(name).suffix, scene)[1].tobytes())
    (root / "blank.png").write_bytes(cv2.imencode(".png", np.full((90, 160, 3), 114, np.uint8))[1].tobytes())
    (root / "broken.png").write_bytes(b"")
    (root / ("n" * 245 + ".d.png")).write_bytes((DEMO_SCENES / "scene-2.png").read_bytes())
    return root


@pytest.fixture
def run(yolo_bac: Callable[..., Ended], source: Path, tmp_path: Path) -> Path:
    flags = ["--save-txt", "--save-conf", "--save-crop", "--save-csv"]
    ended = yolo_bac("--demo", "--source", source, "--project", tmp_path, *flags)
    assert ended.code == 5, ended.stderr
    return tmp_path / "exp"


def load(path: Path) -> Any:
    return json.loads(path.read_bytes(), parse_constant=lambda constant: pytest.fail(f"{constant} in {path}"))


def test_everything_is_valid_by_its_schema(run: Path) -> None:
    for name in ("predictions", "coco", "status"):
        assert_valid(load(run / f"{name}.json"), name)
    paths = list((run / "labels").rglob("*.json"))
    assert len(paths) == 8
    for path in paths:
        assert_valid(load(path), "record")


def test_a_schema_catches_what_is_wrong(run: Path) -> None:
    record = next(record for record in records(run).values() if record["detections"])
    for broken in (
        record | {"failure": "damaged: x"},
        record | {"detections": None},
        record | {"extra": 1},
        {**record, "width": None},
    ):
        with pytest.raises(Exception, match=r".+"):
            assert_valid(broken, "record")


def test_the_tree_is_mirrored(run: Path, source: Path) -> None:
    found = records(run)
    files = sorted(str(path.relative_to(source)) for path in source.rglob("*") if path.is_file())
    assert list(found) == files
    for file, record in found.items():
        if len(Path(file).name) > 200:
            continue
        assert load(run / "labels" / f"{file}.json") == record
        assert (run / "images" / file).is_file() == (record["failure"] is None)
        assert (run / "labels" / f"{file}.txt").is_file() == (record["failure"] is None)


def test_names_too_long_for_a_file_system_are_shortened(run: Path) -> None:
    long = next(file for file in records(run) if file.startswith("nnn"))
    assert (run / "images" / long).is_file()
    (label,) = (run / "labels").glob("nnn*.json")
    assert len(label.name) <= 255 and "~" in label.name
    assert load(label)["file"] == long


def test_annotated_images_keep_their_format_and_size(run: Path, source: Path) -> None:
    for name in ("top.jpg", "a/img.png", "a/img.bmp", "a/b/ünï cødé.webp"):
        ours = cv2.imdecode(np.fromfile(run / "images" / name, np.uint8), cv2.IMREAD_COLOR)
        original = cv2.imdecode(np.fromfile(source / name, np.uint8), cv2.IMREAD_COLOR)
        assert ours is not None and original is not None
        assert ours.shape == original.shape
        assert (run / "images" / name).read_bytes()[:3] == (source / name).read_bytes()[:3]
        assert np.abs(ours.astype(int) - original).max() > 100


def test_txt_lines_are_fractions_of_the_image(run: Path) -> None:
    record = records(run)["a/img.png"]
    lines = (run / "labels" / "a" / "img.png.txt").read_text().splitlines()
    assert len(lines) == len(record["detections"]) == 3
    for line, detection in zip(reversed(lines), record["detections"], strict=True):
        class_id, x, y, width, height, confidence = map(float, line.split())
        box = detection["box"]
        assert class_id == detection["class"]
        assert confidence == pytest.approx(detection["confidence"], rel=1e-5)
        assert (x - width / 2) * record["width"] == pytest.approx(box["x1"], abs=0.01)
        assert (y + height / 2) * record["height"] == pytest.approx(box["y2"], abs=0.01)
    assert (run / "labels" / "blank.png.txt").read_bytes() == b""


def test_coco_is_the_records_in_other_words(run: Path) -> None:
    coco, found = load(run / "coco.json"), records(run)
    files = {image["id"]: image["file_name"] for image in coco["images"]}
    assert sorted(files.values()) == [file for file, record in found.items() if record["failure"] is None]
    names = {category["id"]: category["name"] for category in coco["categories"]}
    theirs: dict[str, list[Any]] = {file: [] for file in files.values()}
    for annotation in coco["annotations"]:
        x, y, width, height = annotation["bbox"]
        corners = pytest.approx([x, y, x + width, y + height], abs=1e-3)
        theirs[files[annotation["image_id"]]].append((names[annotation["category_id"]], annotation["score"], corners))
    for file, annotations in theirs.items():
        ours = [(d["name"], d["confidence"], list(d["box"].values())) for d in found[file]["detections"]]
        assert ours == annotations


def test_csv_and_crops(run: Path) -> None:
    with (run / "predictions.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    expected = [(r["file"], d["name"]) for r in records(run).values() for d in r["detections"] or ()]
    assert [(row["Image Name"], row["Prediction"]) for row in rows] == expected
    assert len([path for path in (run / "crops").rglob("*") if path.is_file()]) == len(expected)
    first = records(run)["a/img.png"]["detections"][0]
    crop = cv2.imread(str(run / "crops" / first["name"] / "a" / "img.png.0.jpg"))
    assert crop is not None
    assert crop.shape[1] == pytest.approx((first["box"]["x2"] - first["box"]["x1"]) * 1.02 + 10, abs=2)


def test_only_plain_files_that_all_may_read(run: Path) -> None:
    for path in run.rglob("*"):
        mode = path.lstat().st_mode
        assert stat.S_ISDIR(mode) or (stat.S_ISREG(mode) and mode & 0o044 == 0o044), path
        assert not path.name.startswith(".")


def test_quality_is_that_of_jpegs_alone(yolo_bac: Callable[..., Ended], source: Path, tmp_path: Path) -> None:
    runs = []
    for quality in (95, 30):
        assert yolo_bac("--demo", "--source", source, "--project", tmp_path, "--quality", quality).code in (0, 5)
        runs.append(tmp_path / ("exp" if quality == 95 else "exp2") / "images")
    sizes = {path.relative_to(runs[0]): path.stat().st_size for path in runs[0].rglob("*.*")}
    assert {path.suffix for path in sizes} > {".jpg", ".png"}
    for path, size in sizes.items():
        smaller = (runs[1] / path).stat().st_size
        assert smaller < size if path.suffix == ".jpg" else smaller == size, path


def test_nosave_leaves_no_images(yolo_bac: Callable[..., Ended], tmp_path: Path) -> None:
    assert yolo_bac("--demo", "--project", tmp_path, "--nosave").code == 0
    assert sorted(path.name for path in (tmp_path / "exp").iterdir()) == [
        "coco.json",
        "index.html",
        "labels",
        "predictions.json",
        "records.jsonl",
        "sheet.jpg",
        "status.json",
        "thumbnails",
    ]


@pytest.mark.parametrize("name", ["../../evil", "a/b", "..", ".", "", "\\x", "/abs"])
def test_class_names_from_a_checkpoint_cannot_leave_the_folder(tmp_path: Path, name: str) -> None:
    folder = claim(tmp_path, "exp", {}, exist_ok=False, resume=False)
    found = Detections(np.array([[1, 1, 9, 9]], np.float32), np.array([0.9], np.float32), np.array([0]))
    shown = AnnotatedFrame("x.jpg", np.zeros((10, 10, 3), np.uint8), found)
    Crops(Settings(), (name,)).write(shown, lambda path, data: folder.write("x.jpg", path, data))
    (crop,) = [path for path in tmp_path.rglob("*.jpg") if path.is_file()]
    folder.close()
    assert crop.relative_to(tmp_path).parts[:2] == ("exp", "crops")
    assert len(crop.relative_to(tmp_path).parts) == 4


@pytest.mark.parametrize(
    "options", [DrawOptions(), DrawOptions(1, True), DrawOptions(20), DrawOptions(None, False, True)]
)
def test_drawing_near_any_edge(options: DrawOptions) -> None:
    image = np.zeros((40, 60, 3), np.uint8)
    boxes = np.array([[0, 0, 60, 40], [55, 35, 60, 40], [-5, -5, 3, 3], [10, 1, 10, 1]], np.float32)
    found = Detections(boxes, np.linspace(0.9, 0.3, 4, dtype=np.float32), np.arange(4))
    drawn = annotate(image, found, ("person", "ünï", "x" * 100, "狗"), options)
    assert drawn is image and drawn.any()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_results_belong_to_the_owner_of_the_output_folder_and_anybody_may_read_them(
    yolo_bac: Callable[..., Ended], tmp_path: Path
) -> None:
    project = tmp_path / "outputs"
    project.mkdir()
    os.chown(project, 12345, 54321)
    before = os.umask(0o077)
    try:
        assert yolo_bac("--demo", "--project", project / "deeper", "--save-crop", "--shard", "0/2").code == 0
        assert yolo_bac("merge", project, "--project", project).code == 5  # the other part is not there
    finally:
        os.umask(before)
    below = list(project.rglob("*"))
    assert len(below) > 20
    assert {(found.st_uid, found.st_gid) for found in map(os.stat, below)} == {(12345, 54321)}
    assert {stat.S_IMODE(path.stat().st_mode) for path in below if path.is_file()} == {0o644}
    assert {stat.S_IMODE(path.stat().st_mode) for path in below if path.is_dir()} == {0o755}


def test_threads_that_need_the_same_new_folders_do_not_get_in_each_others_way(tmp_path: Path) -> None:
    folder = claim(tmp_path, "exp", {})
    with ThreadPoolExecutor(8) as pool:
        for number in range(300):
            names = [f"{number}/a/b/c/d/{thread}" for thread in range(8)]
            list(pool.map(lambda name: folder.write(name, result_path("labels", name), b"x"), names))
    assert len(list(folder.path.glob("labels/**/d/*"))) == 2400
    folder.close()
    assert not list(folder.path.glob("labels/**/*")), "no record vouches for them"
