"""A run looks at what its source holds, and never at what it or another run has left there."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from entrypoint.sources.samples import DEMO_SCENES
from tests.conftest import Ended, records

Run = Callable[..., Ended]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four images, and a list of all files that there will be."""
    for number, scene in enumerate(sorted(DEMO_SCENES.iterdir())[:4]):
        (tmp_path / f"d{number % 2}").mkdir(exist_ok=True)
        shutil.copy(scene, tmp_path / f"d{number % 2}" / f"{number}.png")
    return tmp_path


@pytest.mark.parametrize("name", ["exp", "x/y"])
@pytest.mark.parametrize("source", ["", "**/*.png", "list.txt"], ids=["folder", "glob", "list"])
def test_results_in_the_source_are_no_input(yolo_bac: Run, folder: Path, source: str, name: str) -> None:
    for attempt in range(2):
        lines = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.png"))
        (folder / "list.txt").write_text("\n".join(lines))
        ended = yolo_bac("--demo", "--source", folder / source, "--project", folder, "--name", name)
        assert ended.code == 0, ended.stderr
        assert len(records(folder / (name if not attempt else f"{name}2"))) == 4


def test_results_of_other_shards_are_no_input(yolo_bac: Run, folder: Path) -> None:
    found = set[str]()
    for index in (0, 1, 0):
        ended = yolo_bac("--demo", "--source", folder, "--project", folder, "--shard", f"{index}/2")
        assert ended.code == 0, ended.stderr
        part = Path(ended.stdout.partition("Results: ")[2].splitlines()[0])
        assert part.name == f"part-{index}-of-2"
        status = json.loads((part / "status.json").read_bytes())
        assert status["counts"]["failed"] == 0
        found |= records(part).keys()
    assert found == {"d0/0.png", "d0/2.png", "d1/1.png", "d1/3.png"}


def test_no_name_climbs_out_of_the_run_folder(
    yolo_bac: Run, folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "d0" / "list.txt").write_text("../d1/1.png\n0.png\n")
    monkeypatch.chdir(folder / "d0")
    outside = str(folder / "d1" / "1.png").lstrip("/")
    for source in ("list.txt", "*/../../d[1]/1.png"):
        (folder / "d0" / "deep").mkdir(exist_ok=True)
        project = tmp_path_factory.mktemp("project") / "deep"
        assert yolo_bac("--demo", "--source", source, "--project", project).code == 0
        assert records(project / "exp").keys() - {"0.png"} == {outside}
        assert (project / "exp" / "images" / outside).is_file()
        assert [path.name for path in project.parent.iterdir()] == ["deep"]
        assert [path.name for path in project.iterdir()] == ["exp"]
