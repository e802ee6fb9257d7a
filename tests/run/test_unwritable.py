"""What is wrong with one input's results fails that input; what is wrong with the whole folder ends the run."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from entrypoint.sources.samples import DEMO_SCENES
from tests.conftest import Ended, records

Run = Callable[..., Ended]
SCENE = DEMO_SCENES / "scene-1.png"


def test_a_path_that_only_the_results_make_too_long_fails_its_input(yolo_bac: Run, tmp_path: Path) -> None:
    source = tmp_path / "s"
    folder = source
    while len(str(folder)) < 3900:
        folder /= "d" * min(200, 4000 - len(str(folder)))
        folder.mkdir(parents=True)
    shutil.copy(SCENE, folder / f"{'x' * (4075 - len(str(folder)))}.png")
    shutil.copy(SCENE, source / "a.png")
    ended = yolo_bac("--demo", "--source", source, "--project", tmp_path / "the project's folder")
    found = list(records(tmp_path / "the project's folder" / "exp").values())
    assert ended.code == 5, ended.stderr
    assert found[0]["file"] == "a.png" and found[0]["failure"] is None
    assert found[1]["failure"].startswith("unwritable: ") and "File name too long" in found[1]["failure"]


@pytest.mark.parametrize("obstacle", ["folder", "loop", "file"])
def test_something_in_the_way_of_one_result_fails_its_input(yolo_bac: Run, tmp_path: Path, obstacle: str) -> None:
    source, run = tmp_path / "in", tmp_path / "exp"
    (source / "d").mkdir(parents=True)
    for file in ("a.png", "d/b.png"):
        shutil.copy(SCENE, source / file)
    command = ["--demo", "--source", source, "--project", tmp_path, "--save-txt"]
    (run / "labels").mkdir(parents=True)
    (run / "images").mkdir()
    if obstacle == "folder":
        (run / "images" / "d" / "b.png" / "mine").mkdir(parents=True)
    elif obstacle == "loop":
        (run / "images" / "d").symlink_to("d")
    else:
        (run / "images" / "d").write_text("mine")
    monkey = pytest.MonkeyPatch()
    with monkey.context() as patch:
        # A folder that is continued, as it might be after somebody has meddled with it.
        patch.setattr("entrypoint.results.runfolder._is_unfinished", lambda *_: True)
        ended = yolo_bac(*command)
    assert ended.code == 5, ended.stderr
    found = records(run)
    assert found["a.png"]["failure"] is None
    assert found["d/b.png"]["failure"].startswith("unwritable: ")
