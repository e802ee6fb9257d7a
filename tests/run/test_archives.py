"""A dataset in an archive gives what it gives as a folder."""

import json
import signal
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from entrypoint.sources.samples import DEMO_SCENES
from tests.conftest import Ended, records, start
from tests.sources.archives.test_archives import MAKERS
from tests.videos import moving

Run = Callable[..., Ended]
SCENES = [path.read_bytes() for path in sorted(DEMO_SCENES.iterdir())]
FILES = {f"{number % 3}/{number:03}.png": SCENES[number % len(SCENES)] for number in range(30)}


def without_prefix(run: Path, prefix: str = "") -> dict[str, dict[str, Any]]:
    found = records(run)
    return {file.removeprefix(prefix): record | {"file": file.removeprefix(prefix)} for file, record in found.items()}


def test_the_same_images_give_the_same_predictions_however_they_are_packed(yolo_bac: Run, tmp_path: Path) -> None:
    for name, data in FILES.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(data)
    assert yolo_bac("--demo", "--source", tmp_path / "in", "--project", tmp_path / "folder").code == 0
    expected = without_prefix(tmp_path / "folder" / "exp")
    assert expected.keys() == FILES.keys()
    for place, kind in enumerate(("stored zip", "deflated zip", "pax tar", "tar.gz", "tar.zst")):
        (tmp_path / "data").write_bytes(MAKERS[kind](FILES))
        options = ["--project", tmp_path / str(place), "--batch-size", place + 1]
        ended = yolo_bac("--demo", "--source", tmp_path / "data", *options)
        assert ended.code == 0, ended.stderr
        run = tmp_path / str(place) / "exp"
        assert without_prefix(run, "data/") == expected
        assert {
            path.relative_to(run / "images" / "data").as_posix() for path in run.glob("images/data/*/*")
        } == FILES.keys()


def test_a_compressed_archive_goes_on_after_a_stop(yolo_bac: Run, tmp_path: Path) -> None:
    many = {f"{number:03}.png": SCENES[number % len(SCENES)] for number in range(60)}
    (tmp_path / "data.tar.gz").write_bytes(MAKERS["tar.gz"](many))
    command = ["--demo", "--source", tmp_path / "data.tar.gz", "--imgsz", 640]
    job = start(*command, "--project", tmp_path / "out")
    run = tmp_path / "out" / "exp"
    while len(list(run.glob("labels/data.tar.gz/*.json"))) < 8:
        assert job.poll() is None
        time.sleep(0.01)
    job.send_signal(signal.SIGKILL)
    job.communicate()
    assert yolo_bac(*command, "--project", tmp_path / "out").code == 0
    assert json.loads((run / "status.json").read_bytes())["counts"]["reused"] >= 8
    assert yolo_bac(*command, "--project", tmp_path / "whole").code == 0
    assert without_prefix(run) == without_prefix(tmp_path / "whole" / "exp")


@pytest.mark.parametrize("kind", ["stored zip", "deflated zip", "tar.gz"])
def test_a_video_in_an_archive_gives_what_the_video_does(yolo_bac: Run, tmp_path: Path, kind: str) -> None:
    video = moving(tmp_path / "a.mp4", 20)
    (tmp_path / "x.data").write_bytes(MAKERS[kind]({"a.mp4": video.read_bytes(), "0.png": SCENES[0]}))
    for source, project in ((video, "one"), (tmp_path / "x.data", "other")):
        assert yolo_bac("--demo", "--source", source, "--project", tmp_path / project, "--imgsz", 320).code == 0
    one, other = tmp_path / "one" / "exp", tmp_path / "other" / "exp"
    assert without_prefix(other, "x.data/")["a.mp4"] == without_prefix(one)["a.mp4"]
    assert (other / "images" / "x.data" / "a.mp4").read_bytes() == (one / "images" / "a.mp4").read_bytes()


@pytest.mark.parametrize("kind", ["stored zip", "deflated zip"])
def test_a_video_whose_bytes_do_not_have_the_archive_s_checksum_has_failed(
    yolo_bac: Run, tmp_path: Path, kind: str
) -> None:
    video = moving(tmp_path / "a.mp4", 20)
    data = MAKERS[kind]({"a.mp4": video.read_bytes(), "0.png": SCENES[0]})
    crc = zlib.crc32(video.read_bytes()).to_bytes(4, "little")
    assert data.count(crc) == 2  # in its own header, and in the directory
    (tmp_path / "x.zip").write_bytes(data.replace(crc, bytes(4)))
    assert yolo_bac("--demo", "--source", tmp_path / "x.zip", "--project", tmp_path).code == 5
    found = records(tmp_path / "exp")
    assert found["x.zip/a.mp4"]["failure"] == "damaged: its bytes do not have the checksum that the archive tells"
    assert found["x.zip/0.png"]["detections"]
