"""A disk that fills up ends a run with exit code 6, a true status.json, and all that was done; it goes on with room."""

import ctypes
import json
import os
import resource
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from entrypoint.results.ledger import SCRATCH
from entrypoint.sources.samples import DEMO_SCENES
from tests.conftest import Ended, heed_signals, records, start
from tests.schemas import assert_valid
from tests.videos import moving

Run = Callable[..., Ended]
_DETACH, _REMOUNT = 2, 32
_LIBC = ctypes.CDLL(None, use_errno=True)


class Disk:
    """A file system of its own, of a size that can be changed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def resize(self, kilobytes: int, flags: int = _REMOUNT) -> None:
        if _LIBC.mount(b"none", os.fsencode(self.path), b"tmpfs", flags, f"size={kilobytes}k".encode()):
            pytest.skip(f"no file system can be mounted here: {os.strerror(ctypes.get_errno())}")

    def leave(self, kilobytes: int) -> Path:
        """Fill the disk up to so much room, and give the file that does it."""
        filler = self.path / "filler"
        free = os.statvfs(self.path).f_bavail * os.statvfs(self.path).f_frsize
        filler.write_bytes(bytes(free - (kilobytes << 10)))
        return filler


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    found = Disk(tmp_path / "disk")
    found.path.mkdir()
    found.resize(1500, 0)
    yield found
    _LIBC.umount2(os.fsencode(found.path), _DETACH)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(60):
        shutil.copy(DEMO_SCENES / f"scene-{number % 6 + 1}.png", folder / f"{number:02}.png")
    return folder


def status(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "status.json").read_bytes())
    assert_valid(found, "status")
    return found


def assert_full(ended: Ended, run: Path) -> None:
    found = status(run)
    assert ended.code == 6 and "no space left for" in ended.stderr, ended.stderr
    assert (found["state"], found["exit_code"]) == ("failed", 6) and "no space left for" in found["message"]
    assert not (run / SCRATCH).exists()


def results(run: Path) -> dict[str, bytes]:
    files = (path for path in run.rglob("*") if path.is_file())
    made = {path.relative_to(run).as_posix(): path.read_bytes() for path in files}
    told = ("status.json", "records.jsonl", "index.html")
    return {name: data for name, data in made.items() if name not in told}


def test_images_that_fill_the_disk(yolo_bac: Run, disk: Disk, source: Path, tmp_path: Path) -> None:
    command = ["--demo", "--source", source]
    ended = yolo_bac(*command, "--project", disk.path)
    assert_full(ended, disk.path / "exp")
    done = status(disk.path / "exp")["counts"]["done"]
    assert 0 < done < 60
    disk.resize(64 << 10)
    assert yolo_bac(*command, "--project", disk.path).code == 0
    assert status(disk.path / "exp")["counts"]["reused"] == done
    assert yolo_bac(*command, "--project", tmp_path / "whole").code == 0
    assert results(disk.path / "exp") == results(tmp_path / "whole" / "exp")


@pytest.mark.parametrize("room", [100, 300, 460, 560, 600, 640, 700, 800])
def test_a_disk_with_little_room_at_the_start(yolo_bac: Run, disk: Disk, source: Path, room: int) -> None:
    """The disk is full at another step with each: while the journal, an image, or a file of all records is written."""
    filler = disk.leave(room)
    options = ["--nosave", "--no-report", "--save-csv", "--format", "jsonl"]
    ended = yolo_bac("--demo", "--source", source, "--project", disk.path, *options)
    if ended.code:
        assert_full(ended, disk.path / "exp")
    filler.unlink()
    disk.resize(64 << 10)
    run = disk.path / ("exp" if ended.code else "exp2")
    assert yolo_bac("--demo", "--source", source, "--project", disk.path, *options).code == 0
    assert len(records(run)) == 60


def test_a_disk_without_room(yolo_bac: Run, disk: Disk, source: Path) -> None:
    disk.leave(0)
    ended = yolo_bac("--demo", "--source", source, "--project", disk.path)
    assert ended.code == 6 and "no space left for" in ended.stderr, ended.stderr


@pytest.fixture
def disk_without_fallocate(tmp_path: Path) -> Iterator[Disk]:
    found = Disk(tmp_path / "disk")
    found.path.mkdir()
    image = tmp_path / "image"
    image.write_bytes(bytes(16 << 20))
    make = ["mkfs.ext2", "-q", "-F", "-b", "4096", "-m", "0", str(image)]
    for command in (make, ["mount", "-o", "loop", str(image), str(found.path)]):
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"no ext2 can be made and mounted here: {error}")
    yield found
    _LIBC.umount2(os.fsencode(found.path), _DETACH)


@pytest.mark.parametrize("room", [80, 200, 500])
def test_a_disk_that_is_nearly_full_and_only_takes_room_by_zeros(
    yolo_bac: Run, disk_without_fallocate: Disk, source: Path, room: int
) -> None:
    disk = disk_without_fallocate
    filler = disk.leave(room)
    command = ["--demo", "--source", source, "--project", disk.path]
    assert_full(yolo_bac(*command), disk.path / "exp")
    filler.unlink()
    assert yolo_bac(*command).code == 0
    assert len(records(disk.path / "exp")) == 60


@pytest.mark.parametrize("room", [520, 600])
def test_a_video_that_fills_the_disk(yolo_bac: Run, disk: Disk, tmp_path: Path, room: int) -> None:
    (tmp_path / "in").mkdir()
    moving(tmp_path / "in" / "v.mp4", 540)
    disk.leave(room)
    command = ["--demo", "--source", tmp_path / "in", "--project", disk.path, "--save-txt"]
    assert_full(yolo_bac(*command), disk.path / "exp")
    (disk.path / "filler").unlink()
    disk.resize(64 << 10)
    assert yolo_bac(*command).code == 0
    assert yolo_bac(*command[:-2], tmp_path / "whole", "--save-txt").code == 0
    assert results(disk.path / "exp") == results(tmp_path / "whole" / "exp")


@pytest.mark.parametrize("room", [200, 560])
def test_a_merge_that_fills_the_disk(yolo_bac: Run, disk: Disk, source: Path, tmp_path: Path, room: int) -> None:
    for index in range(2):
        shard = ["--shard", f"{index}/2", "--nosave"]
        assert yolo_bac("--demo", "--source", source, "--project", tmp_path / "out", *shard).code == 0
    command = ["merge", tmp_path / "out", "--project", disk.path]
    disk.leave(room)
    assert_full(yolo_bac(*command), disk.path / "merged")
    (disk.path / "filler").unlink()
    disk.resize(64 << 10)
    assert yolo_bac(*command).code == 0
    assert len(records(disk.path / "merged")) == 60


@pytest.mark.parametrize("room", [200, 560])
def test_a_conversion_that_fills_the_disk(yolo_bac: Run, disk: Disk, source: Path, tmp_path: Path, room: int) -> None:
    assert yolo_bac("--demo", "--source", source, "--project", tmp_path, "--nosave").code == 0
    disk.leave(room)
    ended = yolo_bac("convert-results", tmp_path / "exp", "--format", "cvat", "voc", "--project", disk.path)
    assert_full(ended, disk.path / "converted")


def test_a_stop_on_a_full_disk_has_its_last_word(disk: Disk, source: Path) -> None:
    job = start("--demo", "--source", source, "--project", disk.path, "--nosave", "--no-report", "--imgsz", 1280)
    journal = disk.path / "exp" / "records.jsonl"
    while not (journal.exists() and journal.stat().st_size):
        assert job.poll() is None
    os.kill(job.pid, signal.SIGSTOP)
    disk.leave(0)
    job.send_signal(signal.SIGTERM)
    os.kill(job.pid, signal.SIGCONT)
    _, stderr = job.communicate(timeout=60)
    found = status(disk.path / "exp")
    assert (job.returncode, found["state"], found["exit_code"]) == (143, "stopped", 143), stderr


def test_a_run_goes_without_a_reserve_that_may_not_be_made(tmp_path: Path) -> None:
    def limit() -> None:
        heed_signals()
        resource.setrlimit(resource.RLIMIT_FSIZE, (300 << 10, 300 << 10))

    job = start("--demo", "--nosave", "--no-report", "--project", tmp_path, preexec_fn=limit)
    _, stderr = job.communicate(timeout=60)
    assert job.returncode == 0, stderr
    assert status(tmp_path / "exp")["state"] == "finished" and not (tmp_path / "exp" / SCRATCH).exists()
