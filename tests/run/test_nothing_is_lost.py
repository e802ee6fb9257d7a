"""Whatever tree, whatever edits, wherever a run is killed: nothing of the user's changes, and the end is as without.

Each example lays out a source and a folder for results, and runs the command several times, killed at a random step or
not, with a random edit after each. A last run ends; one on a copy of the final source, into a new folder, tells what it
had to leave.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import pytest
from hypothesis import HealthCheck, Phase, assume, example, given, settings
from hypothesis import strategies as st

from entrypoint.sources.samples import DEMO_SCENES
from tests.run.forked import Attempt, Forked

SCENES = [
    cv2.imencode(".png", cv2.resize(cv2.imread(str(path)), (64, 48)))[1].tobytes()  # type: ignore[arg-type]
    for path in sorted(DEMO_SCENES.iterdir())[:4]
]
NAMES = [
    "a.png",
    "b.jpg",
    "c/d.png",
    "c/A.png",
    "x.mpo",
    "x.mpo.jpg",
    "s",
    "s.png",
    "a.png.json/e.png",
    "b.jpg.0.jpg/q.jpg",
    "ü (1).png",
    "n" * 245 + ".d.png",
]
OPTIONS = ["--save-txt", "--save-crop", "--save-csv", "--nosave"]
EDITS = ["none", "older", "newer", "gone", "new", "swapped", "theirs"]
APART, INSIDE, SAME, SHARED, BLOCKED, ONE = LAYOUTS = (
    "apart",
    "project in source",
    "project is source",
    "folder with things of the user's in it",
    "folder with something in the way",
    "source is the folder",
)
THEIRS = {
    "images/theirs.png": b"theirs",
    "labels/theirs.txt": b"0 .5 .5 1 1",
    "crops/circle/theirs.jpg": b"theirs",
    "theirs.yaml": b"names: [a]",
}


class World:
    """A source, a project, and what in them is the user's."""

    def __init__(self, root: Path, layout: str, names: list[str], odd: bool) -> None:
        self.layout, self.clock = layout, 1_000_000_000
        self.source = root / "in"
        places = {INSIDE: self.source / "out", SAME: self.source, ONE: root}
        self.project = places.get(layout, root / "out")
        self.mine: dict[Path, bytes | str] = {}
        self.folders: set[Path] = set()
        self.run = self.source if layout == ONE else self.project / "exp"
        self.options = ["--exist-ok"] if layout in (SHARED, BLOCKED, ONE) else []
        self.project.mkdir(parents=True, exist_ok=True)
        for number, name in enumerate(names):
            self.put(self.source / name, SCENES[number % len(SCENES)])
        if odd:
            self.put(self.source / "broken.png", b"")
            self.link(self.source / "dangling.png", "nowhere")
            self.link(self.source / "linked.png", names[0])
        if self.options:
            for name, content in THEIRS.items():
                self.put(self.run / name, content)
        if layout == BLOCKED:
            self.put(self.run / "labels" / f"{names[0]}.json", b"theirs")

    def put(self, path: Path, content: bytes) -> None:
        """A file of the user's, each a second newer than the one before."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.folders.add(path.parent)
        path.write_bytes(content)
        self.clock += 1
        os.utime(path, (self.clock, self.clock))
        self.mine[path] = content

    def link(self, path: Path, target: str) -> None:
        path.symlink_to(target)
        self.mine[path] = target

    def edit(self, what: str, number: int) -> None:
        """What a user may do between two runs."""
        images = [path for path in self.mine if path.is_relative_to(self.source) and not self._is_theirs(path)]
        images = [path for path in images if isinstance(self.mine[path], bytes)]
        path = images[number % len(images)]
        if what in ("older", "newer"):
            self.put(path, SCENES[(number + 1) % len(SCENES)])
            if what == "older":
                os.utime(path, (900_000_000, 900_000_000))
        elif what == "gone" and len(images) > 1 and not (self.layout == BLOCKED and path == images[0]):
            path.unlink()
            del self.mine[path]
        elif what == "new":
            self.put(self.source / "new" / f"{number}.png", SCENES[number % len(SCENES)])
        elif what == "swapped":
            other = images[(number + 1) % len(images)]
            if other != path:
                aside = path.with_name("aside")
                path.rename(aside)
                other.rename(path)
                aside.rename(other)
                self.mine[path], self.mine[other] = self.mine[other], self.mine[path]
        elif what == "theirs" and self.run.exists():
            self.put(self.run / "images" / "their new.txt", b"theirs")
            self.put(self.run / "labels" / "c" / "their new.txt", b"theirs")

    def _is_theirs(self, path: Path) -> bool:
        return self.layout != ONE and path.is_relative_to(self.run)

    def check(self) -> None:
        """Nothing of the user's has changed, and nothing else is anywhere but in a run's folder."""
        for path, content in self.mine.items():
            assert (os.readlink(path) if isinstance(content, str) else path.read_bytes()) == content, path  # noqa: PTH115
        assert all(folder.is_dir() for folder in self.folders)
        for top in {self.source, self.project}:
            for path in top.rglob("*"):
                if (path.is_dir() and not path.is_symlink()) or path in self.mine:
                    continue
                assert path.relative_to(self.project).parts[0] in ("exp", "exp2", "exp3", "exp4", "in"), path

    def copy_of_source(self, to: Path) -> Path:
        """The same once more, empty folders included: one with the name of an image has a record."""
        for folder in self.folders:
            if folder.is_relative_to(self.source) and not self._is_theirs(folder):
                (to / folder.relative_to(self.source)).mkdir(parents=True, exist_ok=True)
        for path, content in self.mine.items():
            if path.is_relative_to(self.source) and not self._is_theirs(path):
                copy = to / path.relative_to(self.source)
                copy.symlink_to(content) if isinstance(content, str) else copy.write_bytes(content)
        return to


def left(run: Path, mine: dict[Path, Any]) -> dict[str, Any]:
    """What a run has left, but for where and when it ran."""
    found: dict[str, Any] = {}
    for path in run.rglob("*"):
        name = path.relative_to(run).as_posix()
        if path in mine or path.is_dir() or name == "status.json":
            continue
        if name in ("predictions.json", "coco.json"):
            found[name] = {key: value for key, value in json.loads(path.read_bytes()).items() if key != "info"}
        elif name == "index.html":
            found[name] = path.read_bytes().partition(b'id="data">')[2]  # what it shows of the inputs
        elif name == "records.jsonl":
            lines = {line["file"]: line for line in map(json.loads, path.read_bytes().splitlines())}
            found[name] = {
                file: {
                    key: sorted(value) if key == "files" else value
                    for key, value in line.items()
                    if key not in ("input", "crc32")
                }
                for file, line in lines.items()
                if "gone" not in line
            }
        else:
            found[name] = path.read_bytes()
    return found


def steps(world: World, options: list[str]) -> int:
    """About as many as a run takes: to claim its folder, for each result of each image, and for the run files."""
    inputs = sum(path.is_relative_to(world.source) for path in world.mine)
    return 26 + inputs * (5 + 3 * (len(options) - 2 * ("--nosave" in options)))


@pytest.fixture(scope="module")
def forked() -> Iterator[Forked]:
    with Forked() as server:
        yield server


def detect(forked: Forked, world: World, options: list[str], kill_at: int | None) -> Attempt:
    arguments = ["--demo", "--imgsz", 64, "--engine", "onnx", "--max-failures", 999, "--source", world.source]
    arguments += ["--project", world.project, *(["--name", "in"] if world.layout == ONE else [])]
    attempt = forked.run(*arguments, *world.options, *options, below=world.run, kill_at=kill_at)
    assert attempt.code in ((6, -9) if world.layout == BLOCKED else (0, -9)), attempt.stderr
    assert "Traceback" not in attempt.stderr
    return attempt


# An edit, which image it is of, and how much of its steps the run before it takes, in percent.
attempts = st.lists(st.tuples(st.sampled_from(EDITS), st.integers(0, 99), st.integers(1, 99)), min_size=1, max_size=3)
SIX = ["a.png", "b.jpg", "c/d.png", "s", "s.png", "x.mpo"]


@settings(
    max_examples=10,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@example(APART, SIX, True, ["--save-crop"], [("older", n, 60) for n in range(3)])
@example(INSIDE, SIX, False, [], [("swapped", n, 60) for n in range(3)])
@example(SAME, SIX, False, ["--save-txt"], [("gone", n, 70) for n in range(3)])
@example(SHARED, SIX, False, ["--save-txt"], [("theirs", n, 70) for n in range(2)])
@example(BLOCKED, SIX, False, [], [("none", 0, 30)])
@given(
    st.sampled_from(LAYOUTS),
    st.lists(st.sampled_from(NAMES), min_size=2, max_size=7, unique=True),
    st.booleans(),
    st.lists(st.sampled_from(OPTIONS), unique=True, max_size=3),
    attempts,
)
def test_nothing_is_lost(
    forked: Forked, layout: str, names: list[str], odd: bool, options: list[str], attempts: list[tuple[str, int, int]]
) -> None:
    # What is to be in the way lies where the first name's result belongs: that name is the input's, and not too long.
    renamed = any(other != names[0] and other.startswith(names[0]) for other in names)
    assume(layout != BLOCKED or not (renamed or len(names[0]) > 200))
    root = Path(tempfile.mkdtemp())
    try:
        world = World(root, layout, names, odd)
        for what, number, share in attempts:
            detect(forked, world, options, share * steps(world, options) // 100)
            world.check()
            world.edit(what, number)
        last = detect(forked, world, options, None)
        world.check()
        if layout == BLOCKED:
            assert f"labels/{names[0]}.json is in the way of a result" in last.stderr
        if layout in (BLOCKED, ONE):
            return
        run = Path(last.stdout.partition("Results: ")[2].splitlines()[0])
        ours = left(run, world.mine)
        world.source = world.copy_of_source(root / "copy")
        world.project, world.options = root / "whole", []
        assert detect(forked, world, options, None).code == 0
        assert ours == left(root / "whole" / "exp", {})
    finally:
        shutil.rmtree(root)
