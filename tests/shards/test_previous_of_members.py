"""Members of archives are taken over as files are: by their content, wherever it lay and however it was packed."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Ended
from tests.shards.test_previous import DETECT, assert_equal, change, counts, fill

Run = Callable[..., Ended]


@pytest.mark.parametrize("kind", ["zip", "tar", "gztar"])
def test_members_that_did_not_change_are_taken_over(yolo_bac: Run, tmp_path: Path, kind: str) -> None:
    source, archives = tmp_path / "in", tmp_path / "archives"
    for folder, count, first in (("a", 6, 0), ("b", 6, 6), ("d", 40, 100)):
        fill(source / folder, count, first)
    common = (*DETECT, "--source", archives, "--project")
    shutil.make_archive(str(archives / "data"), kind, source)
    yolo_bac(*common, tmp_path / "before")
    change(source)
    for path in source.rglob("*.png"):
        os.utime(path)  # there is no year 1970 in zip files
    shutil.make_archive(str(archives / "data"), kind, source)
    ended = yolo_bac(*common, tmp_path / "after", "--previous", tmp_path / "before")
    assert ended.code == 0 and counts(tmp_path / "after" / "exp") == (50, 3, 1)
    yolo_bac(*common, tmp_path / "whole")
    assert_equal(tmp_path / "after" / "exp", tmp_path / "whole" / "exp")


def test_what_lay_in_a_folder_is_taken_over_for_an_archive(yolo_bac: Run, tmp_path: Path) -> None:
    fill(tmp_path / "in", 6)
    yolo_bac(*DETECT, "--source", tmp_path / "in", "--project", tmp_path / "before")
    archive = shutil.make_archive(str(tmp_path / "data"), "gztar", tmp_path / "in")
    common = (*DETECT, "--source", archive, "--project")
    assert yolo_bac(*common, tmp_path / "after", "--previous", tmp_path / "before").code == 0
    assert counts(tmp_path / "after" / "exp") == (6, 0, 0)
    yolo_bac(*common, tmp_path / "whole")
    assert_equal(tmp_path / "after" / "exp", tmp_path / "whole" / "exp")
