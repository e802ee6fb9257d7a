"""--exif: records tell when and where photographs were taken, and are else what they were without it."""

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from entrypoint.sources.samples import DEMO_SCENES
from tests.conftest import Ended, records
from tests.photographs import LATITUDE, LONGITUDE, TAKEN, noted, place, saved
from tests.schemas import assert_valid

Run = Callable[..., Ended]
SOUTH, EAST = -LATITUDE, LONGITUDE
KEYS = ("datetime", "latitude", "longitude")
ENTRIES: dict[str, dict[str, Any]] = {
    "a/both.jpg": {"datetime": TAKEN, "latitude": SOUTH, "longitude": EAST},
    "a/time.jpg": {"datetime": TAKEN},
    "hostile.jpg": {"datetime": None},
    "neither.jpg": {"datetime": None},
}


def photograph(has_time: bool, has_place: bool) -> bytes:
    """A scene of the demo as a camera would have saved it."""
    exif = noted(TAKEN if has_time else None, place("S", "E") if has_place else None)
    return saved(Image.open(min(DEMO_SCENES.iterdir())).convert("RGB"), exif, quality=95)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Photographs with time and place, with one of them, with neither, with broken EXIF data, and one that fails."""
    folder = tmp_path / "in"
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "both.jpg").write_bytes(photograph(has_time=True, has_place=True))
    (folder / "a" / "time.jpg").write_bytes(photograph(has_time=True, has_place=False))
    (folder / "neither.jpg").write_bytes(photograph(has_time=False, has_place=False))
    whole = photograph(has_time=True, has_place=True)
    start = whole.index(b"Exif\0\0") + 14  # behind the header of the directory that everything is found by
    (folder / "hostile.jpg").write_bytes(whole[:start] + b"\xff" * 40 + whole[start + 40 :])
    (folder / "failed.jpg").write_bytes(whole[:-200])
    return folder


def told(run: Path) -> dict[str, dict[str, Any]]:
    """What the records of a run tell of EXIF data, by file."""
    found = records(run)
    for record in found.values():
        assert_valid(record, "record")
    return {file: {key: record[key] for key in KEYS if key in record} for file, record in found.items()}


def without(run: Path) -> dict[str, Any]:
    """The records of a run but for that."""
    return {
        file: {key: value for key, value in record.items() if key not in KEYS} for file, record in records(run).items()
    }


def test_records_tell_what_was_asked_for_and_are_else_the_same(yolo_bac: Run, source: Path, tmp_path: Path) -> None:
    for wanted in ("none", "time", "all"):
        ended = yolo_bac("--demo", "--source", source, "--project", tmp_path, "--name", wanted, "--exif", wanted)
        assert ended.code == 5, ended.stderr  # one failed
    assert told(tmp_path / "all") == ENTRIES | {"failed.jpg": {}}
    times = {file: {"datetime": entry["datetime"]} for file, entry in ENTRIES.items()}
    assert told(tmp_path / "time") == times | {"failed.jpg": {}}
    assert not any(told(tmp_path / "none").values())
    assert without(tmp_path / "all") == without(tmp_path / "time") == records(tmp_path / "none")
    assert all(records(tmp_path / "none")[file]["detections"] for file in ENTRIES)


def test_every_file_of_a_run_tells_it(yolo_bac: Run, source: Path, tmp_path: Path) -> None:
    formats = "megadetector,csv"
    command = ("--demo", "--source", source, "--project", tmp_path, "--exif", "all", "--format", formats)
    assert yolo_bac(*command).code == 5
    run = tmp_path / "exp"
    coco = json.loads((run / "coco.json").read_bytes())
    assert_valid(coco, "coco")
    captured = {image["file_name"]: image.get("date_captured") for image in coco["images"]}
    assert captured == {file: "2026-05-31 18:00:05" if entry["datetime"] else None for file, entry in ENTRIES.items()}
    images = json.loads((run / "megadetector.json").read_bytes())["images"]
    assert {image["file"]: image["datetime"] for image in images if image["detections"] is not None} == {
        file: entry["datetime"] for file, entry in ENTRIES.items()
    }
    assert f"a/both.jpg,{','.join(_size(run, 'a/both.jpg'))},{TAKEN},{SOUTH},{EAST}" in (run / "images.csv").read_text()
    for line in (run / "records.jsonl").read_bytes().splitlines():
        assert_valid(json.loads(line), "journal")


def _size(run: Path, file: str) -> list[str]:
    """Width, height, count and failure of an input as the table has them."""
    record = records(run)[file]
    return [str(record["width"]), str(record["height"]), str(len(record["detections"])), ""]


def test_members_of_archives_tell_it_too(yolo_bac: Run, source: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        for file in ENTRIES:
            archive.write(source / file, file)
    ended = yolo_bac("--demo", "--source", tmp_path / "in.zip", "--project", tmp_path, "--exif", "all")
    assert ended.code == 0, ended.stderr
    assert told(tmp_path / "exp") == {f"in.zip/{file}": entry for file, entry in ENTRIES.items()}


def test_it_outlives_a_resumed_a_merged_and_a_taken_over_run(yolo_bac: Run, source: Path, tmp_path: Path) -> None:
    command = ("--demo", "--source", source, "--exif", "all", "--format", "megadetector,parquet", "--no-report")
    assert yolo_bac(*command, "--project", tmp_path / "whole").code == 5
    whole = {path.name: path.read_bytes() for path in (tmp_path / "whole" / "exp").glob("*.parquet")}

    for shard in ("0/2", "1/2"):
        yolo_bac(*command, "--project", tmp_path / "parts", "--shard", shard)
    assert yolo_bac("merge", tmp_path / "parts", "--project", tmp_path).code == 5
    assert yolo_bac(*command, "--project", tmp_path / "after", "--previous", tmp_path / "whole").code == 5

    shutil.copytree(tmp_path / "whole", tmp_path / "again")
    status = json.loads((tmp_path / "again" / "exp" / "status.json").read_bytes())
    unfinished = status | {"state": "stopped", "exit_code": 143, "completed": None}
    (tmp_path / "again" / "exp" / "status.json").write_text(json.dumps(unfinished))
    assert yolo_bac(*command, "--project", tmp_path / "again").code == 5

    for run in (tmp_path / "merged", tmp_path / "after" / "exp", tmp_path / "again" / "exp"):
        assert records(run) == records(tmp_path / "whole" / "exp")
        assert {path.name: path.read_bytes() for path in run.glob("*.parquet")} == whole
    ended = yolo_bac(*command, "--project", tmp_path / "other", "--previous", tmp_path / "whole", "--exif", "time")
    assert ended.code == 4 and "exif" in ended.stderr, "records that tell something else are not taken over"
