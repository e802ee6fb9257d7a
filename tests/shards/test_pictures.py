"""Of many inputs the report shows some alone; shards, and runs that take over, still leave what one run would."""

from collections.abc import Callable
from pathlib import Path

import pytest

from entrypoint.results.formats import thumbnails
from tests.conftest import Ended
from tests.shards.test_previous import assert_equal, counts, fill

Run = Callable[..., Ended]
FEW, MOST, MANY = 50, 60, 70  # inputs; of more than MOST not all have a picture, as of more than 2,000 else
DETECT = ("--demo", "--nosave", "--engine", "onnx")


@pytest.fixture(autouse=True)
def most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thumbnails, "_EMBEDDED", MOST)


def pictures(run: Path) -> int:
    return len(list((run / "thumbnails").iterdir()))


@pytest.mark.parametrize(("before", "after", "counted"), [(FEW, MANY, (50, 20, 0)), (MANY, FEW, (50, 0, 20))])
def test_what_is_taken_over_has_the_pictures_of_one_run(
    yolo_bac: Run, tmp_path: Path, before: int, after: int, counted: tuple[int, int, int]
) -> None:
    for count in (before, after):
        fill(tmp_path / str(count), count)
        assert yolo_bac(*DETECT, "--source", tmp_path / str(count), "--project", tmp_path / f"run-{count}").code == 0
    assert (pictures(tmp_path / f"run-{FEW}" / "exp"), pictures(tmp_path / f"run-{MANY}" / "exp")) == (50, 35)
    source, previous = tmp_path / str(after), tmp_path / f"run-{before}"
    assert yolo_bac(*DETECT, "--source", source, "--project", tmp_path / "new", "--previous", previous).code == 0
    assert counts(tmp_path / "new" / "exp") == counted
    assert_equal(tmp_path / "new" / "exp", tmp_path / f"run-{after}" / "exp")


def test_merged_shards_have_the_pictures_of_one_run(yolo_bac: Run, tmp_path: Path) -> None:
    fill(tmp_path / "in", MANY)
    common = (*DETECT, "--source", tmp_path / "in", "--project")
    assert yolo_bac(*common, tmp_path / "whole").code == 0
    for shard in ("0/2", "1/2"):
        assert yolo_bac(*common, tmp_path / "parts", "--shard", shard).code == 0
    assert yolo_bac("merge", tmp_path / "parts", "--project", tmp_path).code == 0
    assert_equal(tmp_path / "merged", tmp_path / "whole" / "exp")
