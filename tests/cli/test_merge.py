"""`yolo-bac merge`: which options count for it, wherever they stand, and which are refused."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Ended

Run = Callable[..., Ended]


@pytest.fixture
def part(yolo_bac: Run, tmp_path: Path) -> Path:
    """A folder with one part of a job, which is all of it."""
    assert yolo_bac("--demo", "--project", tmp_path / "parts", "--shard", "0/1", "--nosave").code == 0
    return tmp_path / "parts"


def test_options_before_the_name_count(yolo_bac: Run, tmp_path: Path, part: Path) -> None:
    assert yolo_bac("--project", tmp_path / "x", "--name", "all", "merge", part).code == 0
    assert (tmp_path / "x" / "all" / "predictions.json").is_file()


def test_options_after_the_name_go_first(yolo_bac: Run, tmp_path: Path, part: Path) -> None:
    assert yolo_bac("--project", tmp_path / "x", "merge", part, "--proj", tmp_path / "y").code == 0
    assert (tmp_path / "y" / "merged" / "predictions.json").is_file()
    assert not (tmp_path / "x").exists()


def test_the_environment_counts(yolo_bac: Run, tmp_path: Path, part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YOLO_BAC_PROJECT", str(tmp_path / "x"))
    monkeypatch.setenv("YOLO_BAC_NAME", "all")
    assert yolo_bac("merge", part).code == 0
    assert (tmp_path / "x" / "all" / "predictions.json").is_file()
    assert yolo_bac("--project", tmp_path / "y", "merge", part).code == 0
    assert (tmp_path / "y" / "all" / "predictions.json").is_file()


@pytest.mark.parametrize(
    "words", [["--conf-thres", "0.3"], ["--conf", "0.3"], ["--nosave"], ["--no-resume"], ["--demo"], ["--view-img"]]
)
def test_an_option_that_would_be_ignored_is_wrong_usage(
    yolo_bac: Run, tmp_path: Path, part: Path, words: list[str]
) -> None:
    ended = yolo_bac(*words, "--project", tmp_path / "x", "merge", part)
    assert ended.code == 2
    assert "`merge` would ignore --" in ended.stderr.splitlines()[0]
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(("variable", "text"), [("CONF_THRES", "0.3"), ("CONF_THRES", "nan"), ("EXIST_OK", "maybe")])
def test_a_variable_that_only_a_run_takes_is_ignored(
    yolo_bac: Run, tmp_path: Path, part: Path, monkeypatch: pytest.MonkeyPatch, variable: str, text: str
) -> None:
    monkeypatch.setenv(f"YOLO_BAC_{variable}", text)
    assert yolo_bac("merge", part, "--project", tmp_path / "x").code == 0
