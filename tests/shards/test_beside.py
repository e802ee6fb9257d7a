"""Runs of different sources stand beside each other in one: every input once, named by its run."""

import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO  # type: ignore[import-untyped]

from entrypoint.sources.samples import DEMO_SCENES
from tests.conftest import Ended, records
from tests.run.test_resume import status
from tests.schemas import assert_valid

Run = Callable[..., Ended]
DETECT = ("--demo", "--imgsz", 64, "--save-txt", "--save-crop", "--engine", "onnx")


@pytest.fixture
def fetched(yolo_bac: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What `job get` makes of an ops job on three nodes, whose folders have files of the same names."""
    scenes = sorted(DEMO_SCENES.iterdir())
    monkeypatch.setenv("BACALHAU_JOB_TYPE", "ops")
    for number, execution in enumerate(("e-1a", "e-2b", "e-3c")):
        folder = tmp_path / "datasets"
        folder.mkdir()
        shutil.copy(scenes[number], folder / "camera.png")
        shutil.copy(scenes[number + 3], folder / "other.png")
        monkeypatch.setenv("BACALHAU_EXECUTION_ID", execution)
        ended = yolo_bac(*DETECT, "--source", folder, "--project", tmp_path / "fetched" / "outputs")
        assert ended.code == 0, ended.stderr
        shutil.rmtree(folder)
    return tmp_path / "fetched"


def test_every_input_is_there_once_below_the_name_of_its_run(yolo_bac: Run, fetched: Path, tmp_path: Path) -> None:
    ended = yolo_bac("merge", "--side-by-side", fetched, "--project", tmp_path / "all")
    assert ended.code == 0, ended.stderr
    merged = tmp_path / "all" / "merged"
    names = {f"{run}/{name}" for run in ("e-1a", "e-2b", "e-3c") for name in ("camera.png", "other.png")}
    assert records(merged).keys() == names
    found = status(merged)
    assert [(run["name"], run["counts"]["total"]) for run in found["runs"]] == [("e-1a", 2), ("e-2b", 2), ("e-3c", 2)]
    assert (found["counts"]["total"], found["counts"]["done"]) == (6, 6)
    for name in names:
        run, _, file = name.partition("/")
        own = fetched / "outputs" / "exp" / run
        label = json.loads((merged / "labels" / f"{name}.json").read_bytes())
        assert label == records(own)[file] | {"file": name}
        assert_valid(label, "record")
        for folder in ("images/{}", "labels/{}.txt"):
            assert (merged / folder.format(name)).read_bytes() == (own / folder.format(file)).read_bytes()
    assert len(list((merged / "crops").rglob("*.jpg"))) == found["counts"]["detections"]
    coco = COCO(str(merged / "coco.json"))
    assert {image["file_name"] for image in coco.loadImgs(coco.getImgIds())} == names


def test_executions_in_raw_archives_are_called_by_their_ids_all_the_same(
    yolo_bac: Run, fetched: Path, tmp_path: Path
) -> None:
    (tmp_path / "raw").mkdir()
    for run in (fetched / "outputs" / "exp").iterdir():
        with tarfile.open(tmp_path / "raw" / f"127.0.0.1_9000_{run.name}.tar.gz", "w:gz") as archive:
            archive.add(run, f"outputs/exp/{run.name}")
    for name, place in (("raw", tmp_path / "raw"), ("folder", fetched)):
        ended = yolo_bac("merge", "--side-by-side", place, "--project", tmp_path / "all", "--name", name)
        assert ended.code == 0, ended.stderr
    assert records(tmp_path / "all" / "raw") == records(tmp_path / "all" / "folder")


def test_by_default_they_are_refused_and_the_option_is_named(yolo_bac: Run, fetched: Path, tmp_path: Path) -> None:
    ended = yolo_bac("merge", fetched, "--project", tmp_path / "all")
    assert ended.code == 4
    assert "differ in source" in ended.stderr and "--side-by-side" in ended.stderr
    assert not (tmp_path / "all").exists()


def test_runs_of_other_settings_are_refused_all_the_same(yolo_bac: Run, fetched: Path, tmp_path: Path) -> None:
    yolo_bac("--demo", "--project", tmp_path / "other")
    ended = yolo_bac("merge", "--side-by-side", fetched, tmp_path / "other", "--project", tmp_path / "all")
    assert ended.code == 4 and "differ in settings" in ended.stderr
    assert not (tmp_path / "all").exists()


def test_runs_of_equal_names_are_told_by_the_folders_above_them(yolo_bac: Run, tmp_path: Path) -> None:
    for site in ("north", "south"):
        yolo_bac(*DETECT, "--project", tmp_path / site / "outputs")
    ended = yolo_bac("merge", "--side-by-side", tmp_path / "north", tmp_path / "south", "--project", tmp_path / "all")
    assert ended.code == 0
    assert {file.partition("/")[0] for file in records(tmp_path / "all" / "merged")} == {"north", "south"}


def test_a_run_that_did_not_end_is_named(yolo_bac: Run, fetched: Path, tmp_path: Path) -> None:
    journal = fetched / "outputs" / "exp" / "e-2b" / "records.jsonl"
    journal.write_bytes(journal.read_bytes().splitlines(keepends=True)[0])
    ended = yolo_bac("merge", "--side-by-side", fetched, "--project", tmp_path / "all")
    assert ended.code == 5
    assert ended.stdout.startswith("Incomplete: run e-2b unfinished, 1 input left.")


def test_parts_whose_images_of_equal_names_have_other_bytes_are_refused(yolo_bac: Run, tmp_path: Path) -> None:
    for number, site in enumerate(("north", "south")):
        (tmp_path / "in").mkdir()
        # Raw pixels take the same number of bytes, whatever they show.
        cv2.imwrite(str(tmp_path / "in" / "a.bmp"), np.full((40, 40, 3), number * 100, np.uint8))
        yolo_bac(*DETECT, "--source", tmp_path / "in", "--project", tmp_path / site)
        shutil.rmtree(tmp_path / "in")
    ended = yolo_bac("merge", tmp_path / "north", tmp_path / "south", "--project", tmp_path / "all")
    assert ended.code == 4
    assert "a.bmp has sha256" in ended.stderr and "--side-by-side" in ended.stderr


def test_what_was_merged_before_is_not_merged_once_more(yolo_bac: Run, fetched: Path) -> None:
    for name in ("merged", "merged2"):
        ended = yolo_bac("merge", "--side-by-side", fetched, "--project", fetched)
        assert ended.code == 0, ended.stderr
        assert len(records(fetched / name)) == 6
    assert "merged was merged from runs that are here, too: it is left out" in ended.stderr


def test_runs_that_lie_in_one_another_have_names(yolo_bac: Run, tmp_path: Path) -> None:
    for name in ("exp", "exp/exp2"):
        ended = yolo_bac(
            *DETECT, "--source", DEMO_SCENES / "scene-1.png", "--project", tmp_path / "nest", "--name", name
        )
        assert ended.code == 0, ended.stderr
    ended = yolo_bac("merge", "--side-by-side", tmp_path / "nest", "--project", tmp_path / "all")
    assert ended.code == 0, ended.stderr
    assert records(tmp_path / "all" / "merged").keys() == {"exp/scene-1.png", "exp/exp2/scene-1.png"}
