"""A run that was stopped is continued by the same command; one that was finished is left alone."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from entrypoint.results.claim import claim
from entrypoint.sources.samples import DEMO_SCENES
from tests.conftest import ROOT, Ended, records, start
from tests.schemas import assert_valid

Run = Callable[..., Ended]


def many(folder: Path, count: int) -> Path:
    folder.mkdir()
    scenes = sorted(DEMO_SCENES.iterdir())
    for number in range(count):
        (folder / f"{number:04}.png").write_bytes(scenes[number % len(scenes)].read_bytes())
    return folder


def tree(run: Path) -> dict[str, bytes]:
    """The files of a run but its journal, its status, and its report, which says when it was."""
    files = (path for path in run.rglob("*") if path.is_file())
    found = {path.relative_to(run).as_posix(): path.read_bytes() for path in files}
    return {name: data for name, data in found.items() if name not in ("status.json", "records.jsonl", "index.html")}


def status(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "status.json").read_bytes())
    assert_valid(found, "status")
    return found


def wait_for_records(run: Path, count: int) -> None:
    for _ in range(3000):
        if len(list(run.glob("labels/*.json"))) >= count:
            return
        time.sleep(0.01)
    raise AssertionError("no records appeared")


@pytest.mark.parametrize("caught", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL], ids=lambda caught: caught.name)
def test_a_stopped_run_is_continued_to_the_same_result(yolo_bac: Run, tmp_path: Path, caught: signal.Signals) -> None:
    source = many(tmp_path / "in", 150)
    command = ["--demo", "--source", source, "--imgsz", 640]
    job = start(*command, "--project", tmp_path / "out")
    run = tmp_path / "out" / "exp"
    wait_for_records(run, 20)
    sent = time.monotonic()
    job.send_signal(caught)
    _, stderr = job.communicate(timeout=10)
    took = time.monotonic() - sent
    if caught == signal.SIGKILL:
        assert job.returncode == -caught
        assert status(run)["state"] == "running"
    else:
        assert job.returncode == 128 + caught
        assert took < 5  # a moment; here the machine may be busy with other things
        assert f"stopped by {caught.name}" in stderr
        assert (status(run)["state"], status(run)["exit_code"]) == ("stopped", 128 + caught)
        assert [path.name for path in run.iterdir() if path.name.startswith(".")] == []
    done = {f"{line['file']}.json": 0 for line in journal(run)}
    done = {name: (run / "labels" / name).stat().st_mtime_ns for name in done}
    assert 20 <= len(done) < 150
    assert all(json.loads((run / "labels" / name).read_bytes())["detections"] for name in done)
    if caught != signal.SIGKILL:
        assert {path.name for path in run.glob("labels/*.json")} == done.keys()

    assert yolo_bac(*command, "--project", tmp_path / "out").code == 0
    assert status(run)["counts"]["reused"] >= len(done)
    assert {name: (run / "labels" / name).stat().st_mtime_ns for name in done} == done
    assert yolo_bac(*command, "--project", tmp_path / "whole").code == 0
    ours, whole = records(run), records(tmp_path / "whole" / "exp")
    assert ours.keys() == whole.keys()
    for file, record in whole.items():
        for a, b in zip(record["detections"], ours[file]["detections"], strict=True):
            assert a["class"] == b["class"]
            assert list(a["box"].values()) == pytest.approx(list(b["box"].values()), abs=1e-3)
    assert sorted(p.name for p in run.glob("images/*")) == sorted(p.name for p in source.iterdir())


def test_a_finished_run_is_left_alone(yolo_bac: Run, tmp_path: Path) -> None:
    for name in ("exp", "exp2", "exp3"):
        assert f"Results: {tmp_path / name}\n" in yolo_bac("--demo", "--project", tmp_path).stdout


def make_unfinished(run: Path) -> None:
    """Make a finished run look like one that was killed."""
    found = status(run) | {"state": "running", "exit_code": None, "ended": None}
    (run / "status.json").write_text(json.dumps(found))


def journal(run: Path) -> list[dict[str, Any]]:
    """The lines of a run's journal, a torn last one left out."""
    return [json.loads(line) for line in (run / "records.jsonl").read_bytes().split(b"\n")[:-1]]


def interrupt(run: Path) -> None:
    """The same, with one record missing, and its results there as after a kill."""
    make_unfinished(run)
    lines = [line for line in journal(run) if line["file"] != "scene-3.png"]
    (run / "records.jsonl").write_text("".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines))
    (run / ".partial").mkdir()
    begun = [
        ["scene-3.png", f"{folder}/scene-3.png{suffix}", True]
        for folder, suffix in (("images", ""), ("labels", ".json"), ("thumbnails", ".jpg"))
    ]
    (run / ".partial" / "begun").write_text("".join(f"{json.dumps(line)}\n" for line in begun))


@pytest.mark.parametrize(
    ("arguments", "name", "reused"),
    [
        ([], "exp", 5),
        (["--batch-size", "2"], "exp", 5),  # does not change the results
        (["--conf-thres", "0.3"], "exp2", 0),
        (["--no-resume"], "exp2", 0),
        (["--no-resume", "--exist-ok"], "exp", 0),
    ],
)
def test_only_an_equal_run_is_continued(
    yolo_bac: Run, tmp_path: Path, arguments: list[str], name: str, reused: int
) -> None:
    assert yolo_bac("--demo", "--project", tmp_path).code == 0
    interrupt(tmp_path / "exp")
    ended = yolo_bac("--demo", "--project", tmp_path, *arguments)
    assert f"Results: {tmp_path / name}\n" in ended.stdout
    assert status(tmp_path / name)["counts"]["reused"] == reused
    assert len(records(tmp_path / name)) == 6


def test_what_failed_is_tried_again(yolo_bac: Run, tmp_path: Path) -> None:
    source = many(tmp_path / "in", 3)
    (source / "late.png").write_bytes(b"")
    command = ["--demo", "--source", source, "--project", tmp_path]
    assert yolo_bac(*command).code == 5
    make_unfinished(tmp_path / "exp")
    (source / "late.png").write_bytes((DEMO_SCENES / "scene-1.png").read_bytes())
    assert yolo_bac(*command).code == 0
    assert records(tmp_path / "exp")["late.png"]["failure"] is None


@pytest.mark.parametrize("rubbish", [b"", b"{", b"[]", b'{"file": "scene-1.png"}', b"null", b"\xff\xff"])
def test_a_record_that_cannot_be_read_is_made_again(yolo_bac: Run, tmp_path: Path, rubbish: bytes) -> None:
    assert yolo_bac("--demo", "--project", tmp_path).code == 0
    whole = tree(tmp_path / "exp")
    interrupt(tmp_path / "exp")
    lines = (tmp_path / "exp" / "records.jsonl").read_bytes().splitlines(keepends=True)
    place = next(number for number, line in enumerate(lines) if b"scene-1.png" in line)
    begun = "".join(f"{json.dumps(['scene-1.png', path, True])}\n" for path in json.loads(lines[place])["files"])
    with (tmp_path / "exp" / ".partial" / "begun").open("a") as file:
        file.write(begun)
    lines[place] = rubbish + b"\n"
    (tmp_path / "exp" / "records.jsonl").write_bytes(b"".join(lines))
    assert yolo_bac("--demo", "--project", tmp_path).code == 0
    assert status(tmp_path / "exp")["counts"]["reused"] == 4
    assert tree(tmp_path / "exp") == whole


def test_two_jobs_at_once_do_not_share_a_folder(tmp_path: Path) -> None:
    first = claim(tmp_path, "exp", {"a": 1}, exist_ok=False, resume=True)
    second = claim(tmp_path, "exp", {"a": 1}, exist_ok=False, resume=True)
    assert (first.path.name, second.path.name) == ("exp", "exp2")
    first.close()
    again = claim(tmp_path, "exp", {"a": 1}, exist_ok=False, resume=True)
    assert (again.path.name, again.continued) == ("exp", True)
    again.close()
    second.close()


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = claim(tmp_path, "exp", {}, exist_ok=False, resume=True)
    with pytest.raises(KeyError), folder.open("x.json") as file:
        file.write(b"half")
        raise KeyError
    assert not (folder.path / "x.json").exists()
    with folder.open("x.json") as file:
        file.write(b"whole")
    assert (folder.path / "x.json").read_bytes() == b"whole"
    folder.close()
    assert sorted(path.name for path in folder.path.iterdir()) == ["records.jsonl", "status.json", "x.json"]


def test_a_folder_taken_over_keeps_nothing_of_another_run(yolo_bac: Run, tmp_path: Path) -> None:
    assert yolo_bac("--demo", "--project", tmp_path, "--save-csv", "--save-crop").code == 0
    (tmp_path / "exp" / "notes of the user").write_text("stays")
    folder = claim(tmp_path, "exp", {"another": 1}, exist_ok=True, resume=True)
    folder.close()
    assert sorted(path.name for path in (tmp_path / "exp").iterdir()) == [
        "notes of the user",
        "records.jsonl",
        "status.json",
    ]
    assert (tmp_path / "exp" / "records.jsonl").read_bytes() == b""


def test_another_folder_of_the_same_name_is_not_continued(
    yolo_bac: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        many(tmp_path / place / "in", 3)
    monkeypatch.chdir(tmp_path / "a")
    assert yolo_bac("--demo", "--source", "in", "--project", tmp_path).code == 0
    make_unfinished(tmp_path / "exp")
    monkeypatch.chdir(tmp_path / "b")
    assert f"Results: {tmp_path / 'exp2'}\n" in yolo_bac("--demo", "--source", "in", "--project", tmp_path).stdout


def test_an_image_that_changed_is_looked_at_again(yolo_bac: Run, tmp_path: Path) -> None:
    source = many(tmp_path / "in", 3)
    command = ["--demo", "--source", source, "--project", tmp_path]
    assert yolo_bac(*command).code == 0
    make_unfinished(tmp_path / "exp")
    (source / "0001.png").write_bytes((DEMO_SCENES / "scene-5.png").read_bytes())
    assert yolo_bac(*command).code == 0
    assert status(tmp_path / "exp")["counts"]["reused"] == 2
    assert records(tmp_path / "exp")["0001.png"]["width"] == 480


def test_an_image_replaced_by_an_older_one_is_looked_at_again(yolo_bac: Run, tmp_path: Path) -> None:
    """As `cp -p` and `rsync -t` do; also one of the same size and time, which has another inode."""
    source = many(tmp_path / "in", 3)
    command = ["--demo", "--source", source, "--project", tmp_path]
    assert yolo_bac(*command).code == 0
    make_unfinished(tmp_path / "exp")
    before = (source / "0002.png").stat()
    (source / "0001.png").write_bytes((DEMO_SCENES / "scene-5.png").read_bytes())
    os.utime(source / "0001.png", (1_000_000_000, 1_000_000_000))
    shutil.copy2(source / "0002.png", source / "copy")
    (source / "copy").replace(source / "0002.png")
    assert (source / "0002.png").stat().st_mtime_ns == before.st_mtime_ns
    assert yolo_bac(*command).code == 0
    assert status(tmp_path / "exp")["counts"]["reused"] == 1
    assert records(tmp_path / "exp")["0001.png"]["width"] == 480


def test_an_image_that_is_gone_leaves_nothing(yolo_bac: Run, tmp_path: Path) -> None:
    source = many(tmp_path / "in", 3)
    command = ["--demo", "--source", source, "--project", tmp_path, "--save-txt", "--save-crop"]
    assert yolo_bac(*command).code == 0
    make_unfinished(tmp_path / "exp")
    (source / "0001.png").unlink()
    assert yolo_bac(*command).code == 0
    assert records(tmp_path / "exp").keys() == {"0000.png", "0002.png"}
    assert not [path for path in (tmp_path / "exp").rglob("*") if "0001" in path.name]


def test_a_run_is_continued_where_only_the_device_number_of_its_source_has_changed(
    yolo_bac: Run, tmp_path: Path
) -> None:
    """As after a remount; here by another folder in the same place."""
    source = many(tmp_path / "in", 3)
    assert yolo_bac("--demo", "--source", source, "--project", tmp_path).code == 0
    make_unfinished(tmp_path / "exp")
    shutil.copytree(source, tmp_path / "copy")
    shutil.rmtree(source)
    (tmp_path / "copy").rename(source)
    assert f"Results: {tmp_path / 'exp'}\n" in yolo_bac("--demo", "--source", source, "--project", tmp_path).stdout
    identity = status(tmp_path / "exp")["identity"]
    assert identity["source"] == str(source) and identity["engine"] == "onnx" and identity["version"]


def test_a_defect_in_mid_run_is_written_down(yolo_bac: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("entrypoint.run.inspection.Record", lambda *_: 1 / 0)
    assert yolo_bac("--demo", "--project", tmp_path).code == 1
    assert (status(tmp_path / "exp")["state"], status(tmp_path / "exp")["exit_code"]) == ("failed", 1)


@pytest.mark.parametrize(("ignored", "code"), [(True, 0), (False, 128 + signal.SIGHUP)], ids=["nohup", "terminal"])
def test_a_hangup_is_survived_under_nohup(tmp_path: Path, ignored: bool, code: int) -> None:
    source = many(tmp_path / "in", 150)
    handling = signal.SIG_IGN if ignored else signal.SIG_DFL
    job = start(
        *("--demo", "--source", source, "--imgsz", 640, "--project", tmp_path),
        preexec_fn=lambda: signal.signal(signal.SIGHUP, handling),
    )
    wait_for_records(tmp_path / "exp", 5)
    job.send_signal(signal.SIGHUP)
    job.communicate(timeout=120)
    assert job.returncode == code


def test_a_full_disk_ends_the_run_whatever_waits(tmp_path: Path) -> None:
    """Images outweigh their budget at once, so threads wait at its gate when the first result cannot be written."""
    code = (
        "from entrypoint.cli import command; from entrypoint.host import memory; from entrypoint.run import job\n"
        "from entrypoint.errors import OutputError\n"
        "def full(*args): raise OutputError('no space left')\n"
        "memory.waiting_bytes = lambda *_: 1\n"
        "job.Results.finish = full\n"
        "command.main()"
    )
    source = many(tmp_path / "in", 60)
    command = [sys.executable, "-c", code, "--demo", "--source", str(source), "--project", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 6, done.stderr
    assert status(tmp_path / "exp")["state"] == "failed"
