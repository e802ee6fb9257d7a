"""--format: names that add formats, and no- before one that leaves it out."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Ended

Run = Callable[..., Ended]


@pytest.mark.parametrize(
    "words",
    [
        ["--format", "yolo", "jsonl", "no-json"],
        ["--format", "yolo,jsonl,no-json"],
        ["--format", "yolo", "--format=jsonl", "--form", "no-json"],
    ],
)
def test_names_add_up_however_they_are_given(yolo_bac: Run, tmp_path: Path, words: list[str]) -> None:
    ended = yolo_bac("--demo", "--project", tmp_path, "--nosave", *words)
    assert ended.code == 0, ended.stderr
    assert (tmp_path / "exp" / "yolo" / "labels" / "scene-1.txt").is_file()
    assert (tmp_path / "exp" / "detections.jsonl").is_file()
    assert not (tmp_path / "exp" / "labels").exists()


def test_detect_pys_options_are_other_words_for_the_same(yolo_bac: Run, tmp_path: Path) -> None:
    theirs = ("--save-txt", "--save-csv", "--save-crop", "--nosave", "--no-report")
    ours = ("--format", "txt", "csv", "crops", "no-images", "no-report")
    trees = []
    for number, words in enumerate((theirs, ours)):
        assert yolo_bac("--demo", "--project", tmp_path, "--name", f"run-{number}", *words).code == 0
        folder = tmp_path / f"run-{number}"
        trees.append(sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()))
    assert trees[0] == trees[1]


def test_a_name_that_is_none_is_refused_at_once(yolo_bac: Run, tmp_path: Path) -> None:
    ended = yolo_bac("--weights", "nowhere.pt", "--project", tmp_path, "--format", "yolo,cocoa")
    assert ended.code == 2 and "--format cocoa" in ended.stderr and "megadetector" in ended.stderr


def test_images_that_would_share_a_label_file_are_refused_before_the_work(yolo_bac: Run, tmp_path: Path) -> None:
    from entrypoint.sources.samples import DEMO_SCENES

    (tmp_path / "in").mkdir()
    for name in ("x.png", "x.jpg"):
        (tmp_path / "in" / name).write_bytes((DEMO_SCENES / "scene-1.png").read_bytes())
    ended = yolo_bac("--demo", "--source", tmp_path / "in", "--project", tmp_path / "out", "--format", "yolo")
    assert ended.code == 2 and "would share one label file" in ended.stderr


def test_the_report_of_a_run_and_of_its_merged_shards_show_the_same(yolo_bac: Run, tmp_path: Path) -> None:
    assert yolo_bac("--demo", "--project", tmp_path / "whole").code == 0
    for index in range(2):
        assert yolo_bac("--demo", "--project", tmp_path / "out", "--shard", f"{index}/2").code == 0
    assert yolo_bac("merge", tmp_path / "out", "--project", tmp_path / "all").code == 0
    whole, merged = tmp_path / "whole" / "exp", tmp_path / "all" / "merged"
    assert (whole / "sheet.jpg").read_bytes() == (merged / "sheet.jpg").read_bytes()
    for block in ('id="data">', 'id="thumbnails">'):
        pages = [(run / "index.html").read_text() for run in (whole, merged)]
        ours, theirs = (page.partition(block)[2].partition("</script>")[0] for page in pages)
        assert ours == theirs and len(ours) > 100
