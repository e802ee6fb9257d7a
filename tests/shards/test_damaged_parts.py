"""Parts that are damaged, hostile or of other jobs: each is named, the rest is merged, and nothing outside is read."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from entrypoint.sources.samples import DEMO_SCENES
from tests.conftest import ROOT, Ended, records
from tests.schemas import assert_valid

Run = Callable[..., Ended]
DETECT = ("--demo", "--imgsz", 64, "--engine", "onnx")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    shutil.copytree(DEMO_SCENES, tmp_path / "in")
    return tmp_path / "in"


@pytest.fixture
def parts(yolo_bac: Run, source: Path, tmp_path: Path) -> list[Path]:
    for index in range(2):
        shard = ("--project", tmp_path / "out", "--shard", f"{index}/2")
        assert yolo_bac(*DETECT, "--source", source, *shard).code == 0
    return [tmp_path / "out" / "exp" / f"part-{index}-of-2" for index in range(2)]


def change(folder: Path, **keys: Any) -> None:
    status = json.loads((folder / "status.json").read_bytes())
    (folder / "status.json").write_text(json.dumps(status | keys))


def instead(path: Path, make: Callable[[Path], object]) -> None:
    """Make something else of a file."""
    path.unlink()
    make(path)


def change_line(part: Path, place: int, change: Callable[[dict[str, Any]], Any]) -> str:
    """The input whose line was changed, by somebody who knows that a line without a checksum is read."""
    lines = (part / "records.jsonl").read_text().splitlines()
    record = json.loads(lines[place])
    checksum = record.pop("crc32")
    changed = change(record)
    if isinstance(changed, dict) and changed.pop("keep", False):
        changed["crc32"] = checksum
    lines[place] = changed if isinstance(changed, str) else json.dumps(changed)
    (part / "records.jsonl").write_text("\n".join(lines) + "\n")
    return str(record["file"])


DETECTION = {"name": "a", "class": 0, "confidence": 0.5, "box": {"x1": 0, "y1": 0, "x2": 1, "y2": 1}}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda record: record | {"detections": [{"name": "a", "class": 0, "confidence": 0.5}]}, "box is None"),
        (lambda record: record | {"detections": [DETECTION | {"confidence": float("nan")}]}, "finite number"),
        (lambda record: record | {"detections": "none"}, "expected a list"),
        (lambda record: record | {"file": "\ud800.png"}, "not valid Unicode"),
        (lambda record: record | {"file": "../../x.png"}, "not a name below"),
        (lambda record: record | {"width": "8"}, "width is '8'"),
        (lambda record: record | {"files": ["../x"]}, "does not stay below"),
        (lambda record: record | {"files": None}, "files is not a list"),
        (lambda record: record | {"input": 5}, "input is 5"),
        (lambda record: record | {"sha256": "0" * 64, "keep": True}, "its checksum is that of another line"),
        (lambda record: "[" * 100_000, "nested too deep|Expecting"),
        (lambda record: "no json", "Expecting value"),
        (lambda record: "[]", "expected an object"),
    ],
)
def test_a_damaged_record_is_named_and_the_rest_is_merged(
    yolo_bac: Run, parts: list[Path], tmp_path: Path, change: Callable[[dict[str, Any]], Any], words: str
) -> None:
    file = change_line(parts[0], 1, change)
    ended = yolo_bac("merge", *parts, "--project", tmp_path / "all")
    assert ended.code == 5, ended.stderr
    assert f"{parts[0]}: records.jsonl, line 2, is not a whole record: " in ended.stderr
    assert any(word in ended.stderr for word in words.split("|"))
    assert "damaged: " in ended.stdout and "Traceback" not in ended.stderr
    assert records(tmp_path / "all" / "merged").keys() == {path.name for path in DEMO_SCENES.iterdir()} - {file}


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda part: (part / "status.json").write_text("{"), "Expecting"),
        (lambda part: (part / "status.json").write_text('{"identity": 3}'), "without "),
        (lambda part: change(part, counts=[]), "counts is []"),
        (lambda part: change(part, weights={"classes": 3}), "weights"),
        (lambda part: change(part, identity={}), "its identity has no version"),
        (lambda part: change(part, part={"index": 5, "count": 2}), "part index"),
        (lambda part: instead(part / "status.json", Path.mkdir), "cannot be read"),
        (lambda part: instead(part / "status.json", os.mkfifo), "cannot be read"),
    ],
)
def test_a_damaged_status_is_that_parts_fault(
    yolo_bac: Run, parts: list[Path], tmp_path: Path, damage: Callable[[Path], object], words: str
) -> None:
    damage(parts[1])
    ended = yolo_bac("merge", tmp_path / "out", "--project", tmp_path / "all")
    assert ended.code == 5, ended.stderr
    assert f"{parts[1]}/status.json is not a whole status of a run: " in ended.stderr and words in ended.stderr
    assert "part 1 of 2 missing, damaged: " in ended.stdout and "Traceback" not in ended.stderr
    assert records(tmp_path / "all" / "merged")


@pytest.mark.parametrize(
    "damage",
    [
        lambda part: (part / "records.jsonl").unlink(),
        lambda part: instead(part / "records.jsonl", Path.mkdir),
        lambda part: instead(part / "records.jsonl", os.mkfifo),
    ],
    ids=["gone", "folder", "pipe"],
)
def test_a_journal_that_cannot_be_read_is_that_parts_fault(
    yolo_bac: Run, parts: list[Path], tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    damage(parts[1])
    ended = yolo_bac("merge", tmp_path / "out", "--project", tmp_path / "all")
    assert ended.code == 5 and f"{parts[1]}: records.jsonl cannot be read" in ended.stderr
    assert "part 1 of 2 unfinished" in ended.stdout


@pytest.mark.parametrize("how", ["file", "folder", "journal"])
def test_a_link_in_a_part_is_not_followed(yolo_bac: Run, parts: list[Path], tmp_path: Path, how: str) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    for path in list((parts[0] / "images").iterdir()):
        (secret / path.name).write_bytes(b"secret")
    if how == "file":
        for path in list((parts[0] / "images").iterdir()):
            path.unlink()
            path.symlink_to(secret / path.name)
    elif how == "folder":
        shutil.rmtree(parts[0] / "images")
        (parts[0] / "images").symlink_to(secret)
    else:
        (parts[0] / "records.jsonl").rename(secret / "records.jsonl")
        (parts[0] / "records.jsonl").symlink_to(secret / "records.jsonl")
    ended = yolo_bac("merge", tmp_path / "out", "--project", tmp_path / "all")
    assert ended.code == 5 and "damaged: " in ended.stdout
    found = [path for path in (tmp_path / "all").rglob("*") if path.is_file()]
    assert found and not any(path.read_bytes() == b"secret" for path in found)
    assert not any(path.is_symlink() for path in found)


def test_a_part_cannot_put_a_file_where_no_result_of_its_record_goes(
    yolo_bac: Run, parts: list[Path], tmp_path: Path
) -> None:
    (parts[0] / "evil").write_bytes(b"evil")
    (parts[0] / "images" / "other.png").write_bytes(b"evil")
    for place, path in enumerate(("evil", "images/other.png")):
        change_line(parts[0], place, lambda record, path=path: record | {"files": [path]})  # type: ignore[misc]
    ended = yolo_bac("merge", *parts, "--project", tmp_path / "all")
    assert ended.code == 5 and ended.stderr.count("is no place for a result of") == 2
    assert not list((tmp_path / "all").rglob("evil")) and not list((tmp_path / "all").rglob("other.png"))


def test_finished_runs_of_different_datasets_are_not_merged(yolo_bac: Run, source: Path, tmp_path: Path) -> None:
    shutil.copytree(source, tmp_path / "in2")
    for name, folder in (("a", source), ("b", tmp_path / "in2")):
        assert yolo_bac(*DETECT, "--source", folder, "--project", tmp_path / "out", "--name", name).code == 0
    ended = yolo_bac("merge", tmp_path / "out", "--project", tmp_path / "all")
    assert ended.code == 4 and f"differ in source ({source}, {tmp_path / 'in2'})" in ended.stderr
    assert not (tmp_path / "all").exists()


def test_runs_that_saw_other_files_under_the_same_path_are_not_merged(
    yolo_bac: Run, source: Path, tmp_path: Path
) -> None:
    """As in an ops job of Bacalhau's, where every node has data of its own under /datasets."""
    assert yolo_bac(*DETECT, "--source", source, "--project", tmp_path / "out", "--name", "a").code == 0
    shutil.copy(source / "scene-5.png", source / "scene-1.png")
    assert yolo_bac(*DETECT, "--source", source, "--project", tmp_path / "out", "--name", "b").code == 0
    ended = yolo_bac("merge", tmp_path / "out", "--project", tmp_path / "all")
    assert ended.code == 4 and "differ in what they have looked at (scene-1.png has " in ended.stderr
    assert not (tmp_path / "all").exists()


@pytest.mark.parametrize("what", ["version", "weights"])
def test_what_else_decides_the_results_must_be_the_same(
    yolo_bac: Run, parts: list[Path], tmp_path: Path, what: str
) -> None:
    identity = json.loads((parts[0] / "status.json").read_bytes())["identity"]
    change(parts[0], identity=identity | {what: "other"})
    ended = yolo_bac("merge", *parts, "--project", tmp_path / "all")
    assert ended.code == 4 and f"differ in {what} (other, " in ended.stderr


def test_a_part_that_was_continued_counts_its_last_records(
    yolo_bac: Run, parts: list[Path], source: Path, tmp_path: Path
) -> None:
    gone = json.loads((parts[0] / "records.jsonl").read_text().splitlines()[0])["file"]
    (source / gone).unlink()
    change(parts[0], state="stopped")
    assert yolo_bac(*DETECT, "--source", source, "--project", tmp_path / "out", "--shard", "0/2").code == 0
    ended = yolo_bac("merge", tmp_path / "out", "--project", tmp_path / "all")
    assert ended.code == 0, ended.stderr
    merged = tmp_path / "all" / "merged"
    assert gone not in records(merged) and len(records(merged)) == 5
    assert not [path for path in merged.rglob("*") if gone in path.name]


KILLED = """
import os, signal, sys
from entrypoint.cli.command import command
from entrypoint.results.runfolder import RunFolder
adopt, calls = RunFolder.adopt, 0
def counted(self, *args):
    global calls
    calls += 1
    if calls == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    adopt(self, *args)
RunFolder.adopt = counted
command.main(sys.argv[1:])
"""


def test_a_merge_that_was_killed_starts_over_in_its_folder(yolo_bac: Run, parts: list[Path], tmp_path: Path) -> None:
    arguments = ["merge", str(tmp_path / "out"), "--project", str(tmp_path / "all")]
    done = subprocess.run([sys.executable, "-c", KILLED, *arguments], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    merged = tmp_path / "all" / "merged"
    (merged / "images" / "theirs.png").write_bytes(b"theirs")
    assert json.loads((merged / "status.json").read_bytes())["state"] == "running"
    ended = yolo_bac(*arguments)
    assert ended.code == 0 and f"Results: {merged}\n" in ended.stdout
    assert [path.name for path in (tmp_path / "all").iterdir()] == ["merged"]
    assert (merged / "images" / "theirs.png").read_bytes() == b"theirs"
    assert {path.name for path in (merged / "images").iterdir()} == {path.name for path in DEMO_SCENES.iterdir()} | {
        "theirs.png"
    }
    status = json.loads((merged / "status.json").read_bytes())
    assert_valid(status, "status")
    assert yolo_bac(*arguments).stdout.splitlines()[1] == f"Results: {tmp_path / 'all' / 'merged2'}"


def test_a_copy_is_made_where_a_file_cannot_be_linked(
    yolo_bac: Run, parts: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.link

    def link(source: Any, name: Any, **more: Any) -> None:
        if "/proc/self/fd/" in str(source) and name != "status.json":
            raise OSError(18, "Invalid cross-device link")
        real(source, name, **more)

    monkeypatch.setattr(os, "link", link)
    assert yolo_bac("merge", *parts, "--project", tmp_path / "all").code == 0
    for part in parts:
        for path in (part / "images").iterdir():
            copy = tmp_path / "all" / "merged" / "images" / path.name
            assert copy.read_bytes() == path.read_bytes() and copy.stat().st_ino != path.stat().st_ino


@pytest.mark.parametrize(
    "changes",
    [
        {"input": {"size": 1 << 63, "mtime_ns": 0, "inode": 0, "ctime_ns": 0}},
        {
            "detections": [
                {"name": "circle", "class": 7, "confidence": 0.5, "box": {"x1": 0, "y1": 0, "x2": 1, "y2": 1}}
            ]
        },
        {"detections": [{"name": "else", "class": 0, "confidence": 0.5, "box": {"x1": 0, "y1": 0, "x2": 1, "y2": 1}}]},
        {"width": 1 << 31},
    ],
    ids=["more bytes than files have", "a class too many", "a class of another name", "more columns than images have"],
)
def test_a_record_that_no_run_writes_is_left_out_of_everything(
    yolo_bac: Run, parts: list[Path], tmp_path: Path, changes: dict[str, Any]
) -> None:
    gone = change_line(parts[0], 0, lambda record: record | changes)
    ended = yolo_bac("merge", parts[0].parent, "--project", tmp_path / "all")
    assert ended.code == 5, ended.stderr
    assert gone not in records(tmp_path / "all" / "merged") and len(records(tmp_path / "all" / "merged")) == 5
    assert json.loads((tmp_path / "all" / "merged" / "status.json").read_bytes())["state"] == "stopped"
    ended = yolo_bac("convert-results", parts[0], "--format", "csv", "--project", tmp_path / "csv")
    assert ended.code == 5 and "is not a whole record" in ended.stderr
