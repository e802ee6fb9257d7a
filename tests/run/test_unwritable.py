"""Results are written where their paths are longer than the system takes at once."""

import shutil
from collections.abc import Callable
from pathlib import Path

from entrypoint.sources.samples import DEMO_SCENES
from tests.conftest import Ended, records

Run = Callable[..., Ended]
SCENE = DEMO_SCENES / "scene-1.png"


def test_a_path_that_only_the_results_make_too_long_is_no_trouble(yolo_bac: Run, tmp_path: Path) -> None:
    source = tmp_path / "s"
    folder = source
    while len(str(folder)) < 3900:
        folder /= "d" * min(200, 4000 - len(str(folder)))
        folder.mkdir(parents=True)
    shutil.copy(SCENE, folder / f"{'x' * (4075 - len(str(folder)))}.png")
    shutil.copy(SCENE, source / "a.png")
    ended = yolo_bac("--demo", "--source", source, "--project", tmp_path / "the project's folder")
    found = list(records(tmp_path / "the project's folder" / "exp").values())
    assert ended.code == 0, ended.stderr
    assert [record["failure"] for record in found] == [None, None]
