"""Two runs never have one folder, also where the file system has no locks."""

import fcntl
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from entrypoint.errors import OutputError
from entrypoint.results import lock
from entrypoint.results.claim import claim
from entrypoint.results.lock import OWNER, FolderLock, read_owner
from tests.conftest import ROOT

HOLD = """
import fcntl, sys, time
from pathlib import Path
from entrypoint.results import lock
if sys.argv[2] == "no locks":
    def flock(*_): raise OSError(95, "Operation not supported")
    fcntl.flock = flock
held = lock.FolderLock.take(Path(sys.argv[1]))
print("held" if held else "taken", flush=True)
sys.stdin.read(1)
"""


def no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", flock)
    monkeypatch.setattr(lock, "_WATCH_SECONDS", 0.5)
    monkeypatch.setattr(lock, "_REWRITE_SECONDS", 0.05)


def holder(folder: Path, how: str) -> "subprocess.Popen[str]":
    """A process that holds the folder until it is ended."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), how],
        cwd=ROOT,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def end(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.communicate()


def rewrite(folder: Path, **said: Any) -> None:
    owner = json.loads((folder / OWNER).read_bytes()) | said
    (folder / OWNER).write_text(json.dumps(owner))


@pytest.mark.parametrize("how", ["locks", "no locks"])
def test_a_folder_is_held_until_its_process_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    if how == "no locks":
        no_locks(monkeypatch)
    process = holder(tmp_path, how)
    assert FolderLock.take(tmp_path) is None
    end(process)
    mine = FolderLock.take(tmp_path)
    assert mine is not None and FolderLock.take(tmp_path) is None
    mine.release()
    assert not list(tmp_path.iterdir())


def test_where_locks_reach_everybody_nothing_is_written(tmp_path: Path) -> None:
    held = FolderLock.take(tmp_path)
    assert held is not None and not list(tmp_path.iterdir())
    held.release()


def test_a_process_of_the_same_number_that_started_later_is_not_the_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_locks(monkeypatch)
    end(holder(tmp_path, "no locks"))
    rewrite(tmp_path, pid=os.getppid())
    held = FolderLock.take(tmp_path)
    assert held is not None
    held.release()


@pytest.mark.parametrize("said", [{"boot": "another"}, {"processes": "another"}], ids=str)
def test_an_owner_that_cannot_be_looked_up_is_watched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: dict[str, str]
) -> None:
    no_locks(monkeypatch)
    end(holder(tmp_path, "no locks"))
    rewrite(tmp_path, **said)
    held = FolderLock.take(tmp_path)
    assert held is not None, "it was not rewritten"
    mine, alive = read_owner(tmp_path), 0

    def beat(seconds: float) -> None:
        nonlocal alive
        alive += 1
        rewrite(tmp_path, beats=alive, **said)

    held.release()
    assert mine is not None
    (tmp_path / OWNER).write_text(json.dumps(mine | said))
    monkeypatch.setattr(time, "sleep", beat)
    assert FolderLock.take(tmp_path) is None and alive == 1


def test_a_run_that_seemed_gone_ends_when_it_sees_that_its_folder_was_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_locks(monkeypatch)
    folder = claim(tmp_path, "exp", {})
    rewrite(folder.path, token="another's")
    folder._lock._beat.join(5)
    with pytest.raises(OutputError, match="taken over by another run"):
        folder.write("x", "labels/x.json", b"x")
    folder.close()
    assert (folder.path / OWNER).exists(), "it is the other's"


def test_the_owner_file_is_kept_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_locks(monkeypatch)
    held = FolderLock.take(tmp_path)
    assert held is not None
    for _ in range(500):
        owner = read_owner(tmp_path)
        if owner and owner["beats"] > 2:
            break
        time.sleep(0.02)
    assert owner is not None and owner["pid"] == os.getpid() and owner["beats"] > 2
    held.release()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("locks", [True, False])
@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"theirs"])
def test_a_file_of_the_users_of_that_name_is_no_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, locks: bool
) -> None:
    if not locks:
        no_locks(monkeypatch)
    (tmp_path / "exp").mkdir()
    (tmp_path / "exp" / OWNER).write_bytes(content)
    folder = claim(tmp_path, "exp", {})
    assert folder.path.name == "exp2"
    folder.close()
    assert (tmp_path / "exp" / OWNER).read_bytes() == content
