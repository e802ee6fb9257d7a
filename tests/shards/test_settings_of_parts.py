"""What is made of parts is written with the settings that the parts were made with, which are checked."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from entrypoint.shards.parts import Part
from entrypoint.sources.samples import DEMO_SCENES
from tests.conftest import Ended
from tests.shards.test_merge import run_shards, status, tree

Run = Callable[..., Ended]
DETECT = ("--demo", "--imgsz", 64, "--engine", "onnx")
OPTIONS = ("--palette", "safe", "--format", "labelstudio", "--image-url", "http://x.test/", "--save-txt", "--save-conf")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    shutil.copytree(DEMO_SCENES, tmp_path / "in")
    return tmp_path / "in"


def test_a_merge_writes_with_the_settings_of_its_parts(yolo_bac: Run, source: Path, tmp_path: Path) -> None:
    assert yolo_bac("--demo", "--source", source, "--project", tmp_path / "whole", *OPTIONS).code == 0
    run_shards(yolo_bac, source, tmp_path / "parts", 2, *OPTIONS)
    assert yolo_bac("merge", tmp_path / "parts", "--project", tmp_path).code == 0
    merged, whole = tmp_path / "merged", tmp_path / "whole" / "exp"
    assert tree(merged) == tree(whole)
    assert b"http://x.test/" in (merged / "labelstudio" / "tasks.json").read_bytes()
    assert b"e69f00" in (merged / "index.html").read_bytes()


def give_settings(run: Path, **values: Any) -> None:
    """Have the run say that it was made with these."""
    plain = status(run)
    plain["identity"]["settings"] |= values
    (run / "status.json").write_text(json.dumps(plain))


BAD = (
    {"palette": "rainbow"},
    {"palette": None},
    {"image_url": 5},
    {"image_url": {"a": 1}},
    {"quality": 101},
    {"quality": "95"},
    {"quality": [[95]]},
    {"hide_conf": "true"},
    {"format": ["a b"]},
)


@pytest.mark.parametrize("bad", BAD, ids=str)
def test_a_part_of_settings_that_no_run_has_is_refused(
    yolo_bac: Run, source: Path, tmp_path: Path, bad: dict[str, Any]
) -> None:
    assert yolo_bac(*DETECT, "--source", source, "--project", tmp_path, "--nosave", "--no-report").code == 0
    give_settings(tmp_path / "exp", **bad)
    ended = yolo_bac("merge", tmp_path / "exp", "--project", tmp_path)
    assert ended.code == 4 and ended.stderr.startswith("yolo-bac: error: "), ended.stderr
    assert f"{tmp_path / 'exp'} was made with a setting" in ended.stderr and next(iter(bad)) in ended.stderr
    assert not (tmp_path / "merged").exists()


def test_text_that_has_no_utf8_form_is_no_setting(yolo_bac: Run, tmp_path: Path) -> None:
    assert yolo_bac(*DETECT, "--project", tmp_path, "--nosave", "--no-report").code == 0
    give_settings(tmp_path / "exp", image_url="\ud800")
    with pytest.raises(ValueError, match="identity holds a part that is no standard JSON"):
        Part.read(tmp_path / "exp")


def test_what_a_part_says_of_unknown_settings_is_passed_over(yolo_bac: Run, tmp_path: Path) -> None:
    assert yolo_bac(*DETECT, "--project", tmp_path, "--nosave", "--no-report").code == 0
    plain = status(tmp_path / "exp")
    del plain["identity"]["settings"]["palette"]
    plain["identity"]["settings"]["of another version"] = [{}]
    (tmp_path / "exp" / "status.json").write_text(json.dumps(plain))
    assert yolo_bac("merge", tmp_path / "exp", "--project", tmp_path).code == 0


def tasks(folder: Path) -> bytes:
    """The tasks for Label Studio in a run folder."""
    return (folder / "labelstudio" / "tasks.json").read_bytes()


def test_convert_results_writes_with_the_settings_of_the_run_and_what_is_given(
    yolo_bac: Run, source: Path, tmp_path: Path
) -> None:
    options = ("--format", "labelstudio", "--project", tmp_path)
    command = (*DETECT, "--source", source, "--nosave", "--no-report")
    assert yolo_bac(*command, *options, "--image-url", "http://x.test/").code == 0
    default = ("--image-url", "/data/local-files/?d=")
    for words in (("convert-results",), ("convert-results", *default), (*default, "convert-results")):
        assert yolo_bac(*words, tmp_path / "exp", *options).code == 0
    whole = tasks(tmp_path / "exp")
    assert b"http://x.test/" in whole and tasks(tmp_path / "converted") == whole
    for name in ("converted2", "converted3"):
        assert tasks(tmp_path / name) == whole.replace(b"http://x.test/", b"/data/local-files/?d=")
    give_settings(tmp_path / "exp", image_url=5)
    assert yolo_bac("convert-results", tmp_path / "exp", *options).code == 4
