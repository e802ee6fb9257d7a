"""An input that is replaced or written to while it is read is a failure: no record mixes two files."""

import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import entrypoint.detect.loading
import entrypoint.run.plan
import entrypoint.sources.video
from entrypoint.sources.samples import DEMO_SCENES, DEMO_WEIGHTS
from tests.conftest import Ended, records
from tests.videos import make_video as make
from tests.videos import moving, numbered

Run = Callable[..., Ended]
SCENES = [path.read_bytes() for path in sorted(DEMO_SCENES.iterdir())]
COUNT = 12


def once(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, what: Callable[[], object], at: int = 0) -> None:
    """Have `what` done within the call of that number of what stands there."""
    usual, calls = getattr(owner, name), iter(range(10**6))

    def call(*arguments: Any, **named: Any) -> Any:
        if next(calls) == at:
            what()
        return usual(*arguments, **named)

    monkeypatch.setattr(owner, name, call)


def replaced(path: Path, other: Path) -> Callable[[], object]:
    return lambda: other.rename(path)


def overwritten(path: Path, other: Path) -> Callable[[], object]:
    return lambda: path.write_bytes(other.read_bytes())


def removed(path: Path, _: Path) -> Callable[[], object]:
    return path.unlink


def prolonged(path: Path, other: Path) -> Callable[[], object]:
    def prolong() -> None:
        with path.open("ab") as file:
            file.write(other.read_bytes())

    return prolong


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "other.png").write_bytes(SCENES[1])
    return tmp_path / "in"


@pytest.mark.parametrize("how", [replaced, overwritten, prolonged])
def test_a_video_that_changes_while_it_is_read_is_a_failure(
    yolo_bac: Run, monkeypatch: pytest.MonkeyPatch, source: Path, tmp_path: Path, how: Callable[..., Any]
) -> None:
    video = moving(source / "a.mp4", COUNT)
    blank = make(tmp_path / "blank.mp4", [numbered(number, 320, 256) for number in range(COUNT)])
    once(monkeypatch, entrypoint.sources.video, "_upright", how(video, blank), at=5)
    assert yolo_bac("--demo", "--source", source, "--project", tmp_path).code == 5
    found = records(tmp_path / "exp")
    assert found["a.mp4"]["failure"].startswith("changed: ") and found["a.mp4"]["detections"] is None
    assert found["a.mp4"]["sha256"] is None and found["other.png"]["detections"]
    # What lies there now is looked at: nothing of the earlier run is taken for its result.
    options = ["--previous", tmp_path / "exp", "--name", "next"]
    assert yolo_bac("--demo", "--source", source, "--project", tmp_path, *options).code == 0
    record = records(tmp_path / "next")["a.mp4"]
    assert record["sha256"] == hashlib.sha256(video.read_bytes()).hexdigest()
    assert bool(record["detections"]) is (how is prolonged)


def test_a_video_that_is_removed_while_it_is_read_is_read_to_its_end(
    yolo_bac: Run, monkeypatch: pytest.MonkeyPatch, source: Path, tmp_path: Path
) -> None:
    video = moving(source / "a.mp4", COUNT)
    sha256 = hashlib.sha256(video.read_bytes()).hexdigest()
    assert yolo_bac("--demo", "--source", source, "--project", tmp_path, "--name", "kept").code == 0
    once(monkeypatch, entrypoint.sources.video, "_upright", removed(video, video), at=5)
    assert yolo_bac("--demo", "--source", source, "--project", tmp_path).code == 0
    found = records(tmp_path / "exp")["a.mp4"]
    assert found == records(tmp_path / "kept")["a.mp4"] and found["sha256"] == sha256


@pytest.mark.parametrize("how", [replaced, overwritten])
def test_a_still_that_changes_while_it_is_read_is_a_failure(
    yolo_bac: Run, monkeypatch: pytest.MonkeyPatch, source: Path, tmp_path: Path, how: Callable[..., Any]
) -> None:
    (source / "a.png").write_bytes(SCENES[0])
    (tmp_path / "x").write_bytes(SCENES[2])

    class Reader(io.FileIO):
        def readall(self) -> bytes:
            data = super().readall()
            if data == SCENES[0]:
                how(source / "a.png", tmp_path / "x")()
            return data

    monkeypatch.setattr(io, "FileIO", Reader)
    assert yolo_bac("--demo", "--source", source, "--project", tmp_path).code == 5
    found = records(tmp_path / "exp")
    assert found["a.png"]["failure"].startswith("changed: ") and found["other.png"]["detections"]


def zipped(files: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return file.getvalue()


def tarred(files: dict[str, bytes], mode: str = "w") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return file.getvalue()


@pytest.mark.parametrize("of", ["still", "video"])
@pytest.mark.parametrize(
    ("name", "pack"),
    [("x.zip", zipped), ("x.tar", tarred), ("x.tar.gz", lambda files: tarred(files, "w:gz"))],
    ids=["zip", "tar", "tar.gz"],
)
def test_an_archive_that_is_replaced_after_it_was_listed_gives_no_member_another_s_bytes(
    yolo_bac: Run,
    monkeypatch: pytest.MonkeyPatch,
    source: Path,
    tmp_path: Path,
    name: str,
    pack: Callable[[dict[str, bytes]], bytes],
    of: str,
) -> None:
    if of == "video":
        file = "a.mp4"
        one, other = (moving(tmp_path / f"{number}.mp4", COUNT, first=number).read_bytes() for number in (0, 9))
    else:
        file, one, other = "a.png", SCENES[0], SCENES[2]
    length = max(len(one), len(other))
    one, other = one.ljust(length, b"\0"), other.ljust(length, b"\0")
    (source / name).write_bytes(pack({file: one}))
    (tmp_path / "next").write_bytes(pack({file: other}))
    once(monkeypatch, entrypoint.run.plan, "load", replaced(source / name, tmp_path / "next"))
    assert yolo_bac("--demo", "--source", source, "--project", tmp_path).code == 5
    found = records(tmp_path / "exp")
    assert found[f"{name}/{file}"]["failure"].startswith("changed: ") and found["other.png"]["detections"]


def test_weights_that_are_replaced_between_their_hash_and_their_loading_are_refused(
    yolo_bac: Run, monkeypatch: pytest.MonkeyPatch, source: Path, tmp_path: Path
) -> None:
    (tmp_path / "w.pt").write_bytes(DEMO_WEIGHTS.read_bytes())
    (tmp_path / "next").write_bytes(DEMO_WEIGHTS.read_bytes())
    once(monkeypatch, entrypoint.detect.loading, "load_network", replaced(tmp_path / "w.pt", tmp_path / "next"))
    ended = yolo_bac("--weights", tmp_path / "w.pt", "--source", source, "--project", tmp_path)
    assert ended.code == 3 and "w.pt was replaced by another file while it was read" in ended.stderr
    assert not (tmp_path / "exp").exists()


def test_a_record_holds_for_the_file_that_was_read(yolo_bac: Run, source: Path, tmp_path: Path) -> None:
    assert yolo_bac("--demo", "--source", source, "--project", tmp_path).code == 0
    (line,) = map(json.loads, (tmp_path / "exp" / "records.jsonl").read_bytes().splitlines())
    found = (source / "other.png").stat()
    assert line["input"]["inode"] == found.st_ino and line["input"]["mtime_ns"] == found.st_mtime_ns
