"""Which folder a run gets, and that what is not the run's own in it stays as it is."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from entrypoint.errors import OutputError
from entrypoint.inputstate import InputState
from entrypoint.results.claim import abandon, claim, start_over
from entrypoint.results.results import Results
from entrypoint.results.runfolder import RunFolder
from entrypoint.results.runstatus import RunStatus
from entrypoint.results.status import Counts, Status
from entrypoint.settings import Settings
from entrypoint.values import Record
from tests.conftest import ROOT
from tests.schemas import assert_valid

IDENTITY: dict[str, Any] = {"source": "in"}
STATE = InputState(1, 2, 3, 4)


def tree(folder: Path) -> dict[str, bytes | None]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def run(folder: RunFolder, *files: str, end: bool = True) -> None:
    """Leave a record and a label of each file, as a run does."""
    facts = {"identity": IDENTITY, "settings": {}, "weights": None, "device": "", "engine": "", "source": ""}
    status = Status(folder, Counts(len(files)), facts | {"shard": None, "part": None, "ignored": {}})
    status.write("running", None, "")
    results = Results(folder, Settings(nosave=True, report=False), ("a",), sorted(files))
    for index, file in enumerate(sorted(files)):
        results.begin(index)
        results.finish(index, Record(file, 9, 9, ()), STATE)
    if end:
        results.write_run(RunStatus.claimed({}), lambda index: None)
    status.write("finished" if end else "stopped", 0 if end else 143, "")
    folder.close()


def test_a_claimed_folder_says_so_at_once(tmp_path: Path) -> None:
    folder = claim(tmp_path, "exp", IDENTITY)
    found = json.loads((tmp_path / "exp" / "status.json").read_bytes())
    assert_valid(found, "status")
    assert RunStatus.from_json(found).state == "claimed" and found["identity"] == IDENTITY
    folder.close()
    again = claim(tmp_path, "exp", IDENTITY)
    assert again.path == tmp_path / "exp" and again.continued
    again.close()


KILLED = """
import os, signal, sys
from pathlib import Path
from entrypoint.results.claim import claim

calls, last = 0, int(sys.argv[2])

def counted(event, args):
    global calls
    if event in ("open", "os.mkdir", "os.link", "os.rename", "os.remove", "os.chmod", "os.truncate"):
        if sys.argv[1] in str(args[0]) or isinstance(args[0], int) or "/proc/self/fd" in str(args[0]):
            calls += 1
            if calls == last:
                os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(counted)
claim(Path(sys.argv[1]), "exp", {"source": "in"})
print(calls)
"""


def test_a_kill_at_any_moment_of_claiming_orphans_nothing(tmp_path: Path) -> None:
    for last in range(1, 100):
        project = tmp_path / str(last)
        command = [sys.executable, "-c", KILLED, str(project), str(last)]
        done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
        folder = claim(project, "exp", IDENTITY)
        assert folder.path.name == "exp", last
        folder.close()
        assert sorted(path.name for path in folder.path.iterdir()) == ["records.jsonl", "status.json"], last
        if done.returncode == 0:
            assert last > 5
            return
        assert done.returncode == -signal.SIGKILL, done.stderr
    raise AssertionError("it never came to its end")


def test_a_folder_with_things_of_the_users_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "exp").mkdir()
    (tmp_path / "exp" / "notes").write_text("theirs")
    folder = claim(tmp_path, "exp", IDENTITY)
    assert folder.path.name == "exp2"
    folder.close()


def test_why_an_unfinished_run_is_not_continued_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    claim(tmp_path, "exp", {"settings": {"conf_thres": 0.25, "imgsz": None}}).close()
    other = claim(tmp_path, "exp", {"settings": {"conf_thres": 0.5, "imgsz": None}})
    assert other.path.name == "exp2"
    assert "exp is unfinished, but not continued, for it is of other settings (conf_thres 0.25 and 0.5" in caplog.text
    other.close()


YOLO_LAYOUT = {
    "images/a.jpg": b"theirs",
    "images/train/b.jpg": b"theirs",
    "labels/a.txt": b"0 .5 .5 1 1",
    "labels/train/b.txt": b"",
    "data.yaml": b"names: [a]",
    "crops/a/x.jpg": b"theirs",
}


def lay(folder: Path, files: dict[str, bytes]) -> dict[str, bytes | None]:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    (folder / "images" / "empty" / "deep").mkdir(parents=True, exist_ok=True)
    return tree(folder)


def test_exist_ok_keeps_a_dataset_in_the_layout_that_results_have(tmp_path: Path) -> None:
    before = lay(tmp_path / "exp", YOLO_LAYOUT)
    for files in (("new.jpg", "train/new.jpg"), ("other.jpg",), ()):
        run(claim(tmp_path, "exp", IDENTITY, exist_ok=True, resume=False), *files)
        after = tree(tmp_path / "exp")
        assert before.items() <= after.items()
        labels = {name for name in after if name.startswith("labels/") and name.endswith(".json")}
        assert labels == {f"labels/{file}.json" for file in files}


@pytest.mark.parametrize("name", ["status.json", "records.jsonl", "predictions.json", "coco.json", "labels/a.jpg.json"])
@pytest.mark.parametrize("there", ["file", "folder", "link"])
def test_what_stands_in_the_way_is_named_and_left(tmp_path: Path, name: str, there: str) -> None:
    before = lay(tmp_path / "exp", {"notes": b"theirs", "labels/kept.txt": b"theirs"})
    path = tmp_path / "exp" / name
    if there == "file":
        path.write_bytes(b"theirs")
    elif there == "folder":
        path.mkdir()
    else:
        path.symlink_to("notes")
    with pytest.raises(OutputError, match=name) as caught:
        run(claim(tmp_path, "exp", IDENTITY, exist_ok=True), "a.jpg")
    assert caught.value.exit_code == 6
    assert before.items() <= tree(tmp_path / "exp").items()
    assert path.is_symlink() or path.is_dir() or path.read_bytes() == b"theirs"


def test_a_folder_of_results_that_is_a_link_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "exp").mkdir()
    (tmp_path / "exp" / "labels").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError, match="exp/labels is in the way"):
        run(claim(tmp_path, "exp", IDENTITY, exist_ok=True), "a.jpg")
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_status_of_another_program_vouches_for_nothing(tmp_path: Path) -> None:
    files = {"status.json": b'{"state": "finished"}', "labels/a.jpg.json": b"theirs", "records.jsonl": b"theirs\n"}
    before = lay(tmp_path / "exp", files)
    with pytest.raises(OutputError, match=r"records\.jsonl is in the way"):
        claim(tmp_path, "exp", IDENTITY, exist_ok=True)
    assert tree(tmp_path / "exp") == before


def test_results_of_another_run_go_and_files_between_them_stay(tmp_path: Path) -> None:
    run(claim(tmp_path, "exp", {"another": 1}), "a.jpg", "deep/b.jpg")
    (tmp_path / "exp" / "labels" / "deep" / "theirs.json").write_bytes(b"theirs")
    run(claim(tmp_path, "exp", IDENTITY, exist_ok=True), "c.jpg")
    found = {name for name, content in tree(tmp_path / "exp").items() if content is not None}
    assert {name for name in found if name.startswith("labels")} == {"labels/c.jpg.json", "labels/deep/theirs.json"}


def test_a_record_that_names_a_file_outside_removes_nothing_there(tmp_path: Path) -> None:
    run(claim(tmp_path, "exp", {"another": 1}), "a.jpg")
    (tmp_path / "kept").write_bytes(b"theirs")
    (tmp_path / "exp" / "link").symlink_to(tmp_path)
    line = {"file": "x", "width": 9, "height": 9, "detections": [], "failure": None, "input": None}
    with (tmp_path / "exp" / "records.jsonl").open("a") as file:
        for path in ("../kept", "link/kept", f"{tmp_path}/kept"):
            file.write(json.dumps(line | {"files": [path]}) + "\n")
    claim(tmp_path, "exp", IDENTITY, exist_ok=True).close()
    assert (tmp_path / "kept").read_bytes() == b"theirs"


def test_what_a_killed_run_had_begun_goes_and_nothing_else(tmp_path: Path) -> None:
    folder = claim(tmp_path, "exp", IDENTITY)
    run_it = [sys.executable, "-c", BEGUN_AND_KILLED, str(tmp_path / "other")]
    folder.close()
    assert subprocess.run(run_it, cwd=ROOT, check=False).returncode == -signal.SIGKILL
    killed = tmp_path / "other" / "exp"
    assert (killed / "labels" / "a.jpg.json").exists() and (killed / "labels" / "b.jpg.json").exists()
    (killed / "labels" / "theirs.json").write_bytes(b"theirs")
    (killed / ".partial" / "theirs").write_bytes(b"theirs")
    run(claim(tmp_path / "other", "exp", IDENTITY), "a.jpg")
    assert {name for name in tree(killed) if name.startswith(("labels/", ".partial/"))} == {
        "labels/a.jpg.json",
        "labels/theirs.json",
        ".partial/theirs",
    }


BEGUN_AND_KILLED = """
import os, signal, sys
from pathlib import Path
from entrypoint.results.claim import claim
from entrypoint.results.journal import Journal
from tests.results.test_claim import IDENTITY, run
append = Journal.append
def killed(self, index, line):
    if index == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    append(self, index, line)
Journal.append = killed
run(claim(Path(sys.argv[1]), "exp", IDENTITY), "a.jpg", "b.jpg")
"""


def test_a_record_that_is_damaged_after_it_was_relied_upon_is_not_left_out_in_silence(tmp_path: Path) -> None:
    run(claim(tmp_path, "exp", IDENTITY), "a.jpg", "b.jpg", end=False)
    settings, files = Settings(nosave=True, report=False), ["a.jpg", "b.jpg"]
    folder = claim(tmp_path, "exp", IDENTITY)
    results = Results(folder, settings, ("a",), files)
    assert results.reusable(0, STATE) and results.reusable(1, STATE)
    journal = tmp_path / "exp" / "records.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b'"width": 9', b'"width": x', 1))
    with pytest.raises(OutputError, match=r"record of a\.jpg has been damaged"):
        results.write_run(RunStatus.claimed({}), lambda index: None)
    folder.close()
    folder = claim(tmp_path, "exp", IDENTITY)
    results = Results(folder, settings, ("a",), files)
    assert results.reusable(0, STATE) is None and results.reusable(1, STATE)
    folder.close()


@pytest.mark.parametrize("damage", [b'"width": 8', b'"width: 9', b"\0" * 10])
def test_a_record_whose_line_is_damaged_is_made_anew(tmp_path: Path, damage: bytes) -> None:
    run(claim(tmp_path, "exp", IDENTITY), "a.jpg", "b.jpg", end=False)
    journal = tmp_path / "exp" / "records.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b'"width": 9', damage, 1))
    folder = claim(tmp_path, "exp", IDENTITY)
    results = Results(folder, Settings(nosave=True, report=False), ("a",), ["a.jpg", "b.jpg"])
    assert results.reusable(0, STATE) is None and results.reusable(1, STATE)
    results.begin(0)
    results.finish(0, Record("a.jpg", 9, 9, ()), STATE)
    assert results.reusable(0, STATE)
    folder.close()


def test_a_folder_can_be_started_over_or_given_back(tmp_path: Path) -> None:
    run(claim(tmp_path, "exp", IDENTITY), "a.jpg", end=False)
    folder = claim(tmp_path, "exp", IDENTITY)
    assert folder.continued
    start_over(folder)
    run(folder, "b.jpg")
    assert [name for name in tree(tmp_path / "exp") if name.startswith("labels/")] == ["labels/b.jpg.json"]
    other = claim(tmp_path / "new", "exp", IDENTITY)
    abandon(other)
    assert not (tmp_path / "new").exists()


def test_an_image_that_is_gone_leaves_nothing(tmp_path: Path) -> None:
    run(claim(tmp_path, "exp", IDENTITY), "a.jpg", "b.jpg", "c/d.jpg", end=False)
    folder = claim(tmp_path, "exp", IDENTITY)
    results = Results(folder, Settings(nosave=True, report=False), ("a",), ["a.jpg"])
    assert results.reusable(0, STATE) == (("labels/a.jpg.json",), 0, None)
    folder.close()
    assert [name for name in tree(tmp_path / "exp") if name.startswith("labels/")] == ["labels/a.jpg.json"]


@pytest.mark.parametrize("field", ["size", "mtime_ns", "inode", "ctime_ns"])
def test_a_record_holds_while_nothing_of_its_input_has_changed(tmp_path: Path, field: str) -> None:
    run(claim(tmp_path, "exp", IDENTITY), "a.jpg", end=False)
    folder = claim(tmp_path, "exp", IDENTITY)
    results = Results(folder, Settings(nosave=True, report=False), ("a",), ["a.jpg"])
    changed = InputState(**{name: getattr(STATE, name) - (name == field) for name in STATE.__slots__})
    assert results.reusable(0, changed) is None and results.reusable(0, None) is None
    assert results.reusable(0, STATE) is not None
    (folder.path / "labels" / "a.jpg.json").unlink()
    assert results.reusable(0, STATE) is None, "what it left is not there any more"
    folder.close()
