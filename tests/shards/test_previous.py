"""A run goes on where others stopped: what they have finished is taken over, known by its content, and nothing else."""

import hashlib
import io
import json
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from entrypoint.run import continuing
from entrypoint.sources.samples import DEMO_SCENES
from tests.conftest import Ended
from tests.run.test_resume import journal, status
from tests.shards.test_merge import tree
from tests.videos import moving

Run = Callable[..., Ended]
DETECT = ("--demo", "--save-txt", "--save-crop", "--save-csv", "--engine", "onnx")


def fill(folder: Path, count: int, first: int = 0) -> None:
    """Images of different content: a scene, with bytes behind its end that no reader minds."""
    folder.mkdir(parents=True, exist_ok=True)
    scenes = sorted(DEMO_SCENES.iterdir())
    for number in range(first, first + count):
        data = scenes[number % len(scenes)].read_bytes() + b"%d" % number
        (folder / f"{number:03}.png").write_bytes(data)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    fill(tmp_path / "in" / "a", 6)
    fill(tmp_path / "in" / "b", 6, 6)
    (tmp_path / "in" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 and no more")
    return tmp_path / "in"


def change(source: Path) -> None:
    """Of twelve images two are added, one is changed, two are renamed and one is removed; all have another time."""
    fill(source / "c", 2, 12)
    fill(source / "x", 1, 99)
    (source / "x" / "099.png").replace(source / "a" / "001.png")
    (source / "a" / "002.png").rename(source / "a" / "zz ü.png")
    (source / "b" / "007.png").rename(source / "007.png")
    (source / "b" / "008.png").unlink()
    for path in source.rglob("*.png"):
        os.utime(path, (1, 1))


def counts(run: Path) -> tuple[int, int, int]:
    found = status(run)["counts"]
    return found["taken_over"], found["new"], found["gone"]


def assert_equal(run: Path, whole: Path) -> None:
    """All that two runs leave is the same to the last byte, and so are their records."""
    assert tree(run) == tree(whole)
    ours, theirs = (
        sorted(((line | {"files": sorted(line["files"])}) for line in journal(folder)), key=lambda line: line["file"])
        for folder in (run, whole)
    )
    assert ours == theirs


def test_what_did_not_change_is_taken_over_and_the_result_is_that_of_one_run(
    yolo_bac: Run, source: Path, tmp_path: Path
) -> None:
    common = (*DETECT, "--source", source)
    yolo_bac(*common, "--project", tmp_path / "before")
    change(source)
    ended = yolo_bac(*common, "--project", tmp_path / "after", "--previous", tmp_path / "before")
    assert ended.code == 5 and "From earlier runs: 10 taken over, 4 new, 1 gone." in ended.stdout
    assert counts(tmp_path / "after" / "exp") == (10, 4, 1)
    yolo_bac(*common, "--project", tmp_path / "whole")
    assert_equal(tmp_path / "after" / "exp", tmp_path / "whole" / "exp")
    assert counts(tmp_path / "whole" / "exp") == (0, 0, 0)


def pack(folder: Path, archive: Path, *more: tarfile.TarInfo) -> None:
    """As Bacalhau publishes what an execution left."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive, "w:gz") as tar:
        for member in more:
            tar.addfile(member, io.BytesIO(b"x" * member.size))
        tar.add(folder, "outputs")
        tar.addfile(tarfile.TarInfo("exitCode"))


@pytest.mark.parametrize("raw", [False, True], ids=["folders", "archives"])
def test_the_parts_of_other_shards_are_taken_over(yolo_bac: Run, source: Path, tmp_path: Path, raw: bool) -> None:
    common = (*DETECT, "--source", source, "--project")
    previous = tmp_path / "fetched"
    for index in range(3):
        yolo_bac(*common, tmp_path / f"e{index}", "--shard", f"{index}/3")
        if raw:
            pack(tmp_path / f"e{index}", previous / "raw" / f"127.0.0.1_e-{index}.tar.gz")
        else:
            shutil.move(tmp_path / f"e{index}", previous / "raw" / f"e{index}")
    taken = 0
    for index in range(4):
        yolo_bac(*common, tmp_path / "again", "--shard", f"{index}/4", "--previous", previous)
        part = tmp_path / "again" / "exp" / f"part-{index}-of-4"
        taken += counts(part)[0]
        assert counts(part)[2] == 0 and sorted(path.name for path in part.iterdir() if path.name[0] == ".") == []
    assert taken == 12
    assert yolo_bac("merge", tmp_path / "again", "--project", tmp_path / "all").code == 5
    yolo_bac(*common, tmp_path / "whole")
    assert_equal(tmp_path / "all" / "merged", tmp_path / "whole" / "exp")
    if raw:
        yolo_bac("merge", previous, "--project", tmp_path / "packed")
        assert_equal(tmp_path / "packed" / "merged", tmp_path / "whole" / "exp")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--conf-thres", "0.5"), "other settings (conf_thres 0.25 and 0.5, there and here)"),
        (("--nosave",), "nosave False and True"),
        (("--weights", "other.pt"), "other weights"),
    ],
)
def test_results_of_other_weights_or_settings_are_refused_before_anything_is_looked_at(
    yolo_bac: Run, source: Path, tmp_path: Path, options: tuple[str, ...], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    yolo_bac(*DETECT, "--source", source, "--project", tmp_path / "before")
    monkeypatch.chdir(tmp_path)
    made = tmp_path / "before" / "exp" / "status.json"
    if "--weights" in options:
        found = json.loads(made.read_bytes())
        found["identity"]["weights"] = "0" * 64
        made.write_text(json.dumps(found))
        options = ()
    ended = yolo_bac(
        *DETECT, "--source", source, "--project", tmp_path / "out", "--previous", tmp_path / "before", *options
    )
    assert ended.code == 4
    assert words in ended.stderr.splitlines()[0]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir(), lambda path: path.write_text("x")])
def test_a_path_without_a_run_is_refused(
    yolo_bac: Run, source: Path, tmp_path: Path, make: Callable[[Path], object]
) -> None:
    make(tmp_path / "before")
    ended = yolo_bac(*DETECT, "--source", source, "--project", tmp_path / "out", "--previous", tmp_path / "before")
    assert ended.code == 4 and str(tmp_path / "before") in ended.stderr.splitlines()[0]
    assert not (tmp_path / "out").exists()


def test_what_is_mounted_at_the_usual_place_is_taken_over_by_itself(
    yolo_bac: Run, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(continuing, "PREVIOUS", tmp_path / "previous")
    (tmp_path / "previous").mkdir()
    common = (*DETECT, "--source", source, "--project")
    ended = yolo_bac(*common, tmp_path / "before")
    assert "no part of a run below" in ended.stderr and ended.code == 5
    shutil.move(tmp_path / "before", tmp_path / "previous" / "outputs")
    ended = yolo_bac(*common, tmp_path / "after")
    assert f"{tmp_path / 'previous'} is there" in ended.stderr
    assert counts(tmp_path / "after" / "exp") == (12, 1, 0)


def spoil_lines(run: Path) -> None:
    lines = (run / "records.jsonl").read_bytes().splitlines(keepends=True)
    evil = json.loads(lines[0]) | {"files": ["../../evil", "images/../../evil"]}
    lines[0] = json.dumps(evil).encode() + b"\n"
    lines[1] = b"nonsense\n"
    lines.append(lines[2][:30])
    (run / "records.jsonl").write_bytes(b"".join(lines))


def spoil_status(run: Path) -> None:
    (run / "status.json").write_bytes((run / "status.json").read_bytes()[:-20])


def link_out(run: Path) -> None:
    image = next(path for path in sorted(run.rglob("images/**/*.png")))
    image.unlink()
    image.symlink_to("/etc/passwd")


def lose_files(run: Path) -> None:
    shutil.rmtree(run / "images")


def lose_journal(run: Path) -> None:
    (run / "records.jsonl").unlink()


def forge_classes(run: Path) -> None:
    text = (run / "records.jsonl").read_text()
    (run / "records.jsonl").write_text(text.replace('"class": 0', '"class": 70000'))


SPOILS = (spoil_lines, spoil_status, link_out, lose_files, lose_journal, forge_classes)


@pytest.mark.parametrize("raw", [False, True], ids=["folder", "archive"])
@pytest.mark.parametrize("spoil", SPOILS, ids=lambda spoil: str(spoil.__name__))
def test_a_damaged_or_hostile_path_harms_nothing(
    yolo_bac: Run, source: Path, tmp_path: Path, spoil: Callable[[Path], None], raw: bool
) -> None:
    common = (*DETECT, "--source", source, "--project")
    yolo_bac(*common, tmp_path / "whole")
    shutil.copytree(tmp_path / "whole", tmp_path / "before")
    spoil(tmp_path / "before" / "exp")
    previous = tmp_path / "before"
    if raw:
        previous = tmp_path / "before.tar.gz"
        pack(tmp_path / "before", previous)
    ended = yolo_bac(*common, tmp_path / "after", "--previous", previous)
    assert ended.code == 5 and "Traceback" not in ended.stderr
    assert_equal(tmp_path / "after" / "exp", tmp_path / "whole" / "exp")
    assert not list(tmp_path.rglob("*evil*"))


def member(name: str, **values: Any) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for key, value in values.items():
        setattr(info, key, value)
    return info


def test_what_climbs_out_of_an_archive_or_is_no_file_is_passed_over(
    yolo_bac: Run, source: Path, tmp_path: Path
) -> None:
    common = (*DETECT, "--source", source, "--project")
    yolo_bac(*common, tmp_path / "before")
    entries = (
        member("../evil", size=3),
        member("/evil", size=3),
        member("outputs/exp/images/evil", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        member("outputs/exp/images/a/000.png", type=tarfile.LNKTYPE, linkname="/etc/passwd"),
        member("outputs/exp/evil", type=tarfile.CHRTYPE, devmajor=1, devminor=5),
    )
    pack(tmp_path / "before", tmp_path / "raw" / "x.tar.gz", *entries)
    ended = yolo_bac(*common, tmp_path / "after", "--previous", tmp_path / "raw")
    assert ended.code == 5 and "links or names that lead out of it are passed over" in ended.stderr
    assert counts(tmp_path / "after" / "exp") == (12, 1, 0)
    assert_equal(tmp_path / "after" / "exp", tmp_path / "before" / "exp")
    assert not list(tmp_path.rglob("*evil*"))


def test_an_archive_that_is_a_bomb_or_cut_is_read_as_far_as_it_makes_sense(
    yolo_bac: Run, source: Path, tmp_path: Path
) -> None:
    common = (*DETECT, "--source", source, "--project")
    yolo_bac(*common, tmp_path / "before")
    pack(tmp_path / "before", tmp_path / "raw" / "cut.tar.gz")
    data = (tmp_path / "raw" / "cut.tar.gz").read_bytes()
    (tmp_path / "raw" / "cut.tar.gz").write_bytes(data[: len(data) // 2])
    with tarfile.open(tmp_path / "raw" / "bomb.tar.gz", "w:gz") as tar:
        tar.addfile(member("exp/images/a.png", size=300 << 20), Zeros())  # type: ignore[arg-type]
        tar.add(tmp_path / "before" / "exp" / "status.json", "exp/status.json")
    ended = yolo_bac(*common, tmp_path / "after", "--previous", tmp_path / "raw")
    assert ended.code == 5 and ended.stderr.count("cannot be read to its end") == 2
    assert_equal(tmp_path / "after" / "exp", tmp_path / "before" / "exp")


class Zeros:
    """Nothing but zeros."""

    def read(self, size: int) -> bytes:
        return bytes(size)


def test_a_run_that_is_continued_takes_over_what_it_has_not_done_itself(
    yolo_bac: Run, source: Path, tmp_path: Path
) -> None:
    common = (*DETECT, "--source", source, "--project")
    yolo_bac(*common, tmp_path / "before")
    yolo_bac(*common, tmp_path / "after")
    run = tmp_path / "after" / "exp"
    (run / "status.json").write_text(json.dumps(status(run) | {"state": "running", "exit_code": None, "ended": None}))
    for path in (source / "a").iterdir():
        os.utime(path, (1, 1))
    # Its own results, too, lie below the path: they are what it continues, and not another run's.
    ended = yolo_bac(*common, tmp_path / "after", "--previous", tmp_path)
    assert ended.code == 5
    assert (status(run)["counts"]["reused"], *counts(run)) == (6, 6, 1, 0)


@pytest.mark.parametrize(
    ("job", "words"), [("", "the same command continues"), ("j-1", "mount that with `-i …:/previous`")]
)
def test_how_to_go_on_is_said_for_where_the_run_is(
    yolo_bac: Run, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, job: str, words: str
) -> None:
    monkeypatch.setenv("BACALHAU_JOB_ID", job)
    ended = yolo_bac(*DETECT, "--source", source, "--project", tmp_path / "out", "--time-budget", "0.1")
    assert ended.code == 5
    assert words in ended.stdout.splitlines()[0]


def test_a_video_is_taken_over_whole_under_another_name_also_out_of_an_archive(yolo_bac: Run, tmp_path: Path) -> None:
    source, before = tmp_path / "in", tmp_path / "before"
    source.mkdir()
    video = moving(source / "a.mp4", 8)
    sha256 = hashlib.sha256(video.read_bytes()).hexdigest()
    common = (*DETECT, "--save-frames", "--source", source)
    assert yolo_bac(*common, "--project", before).code == 0
    assert [line["sha256"] for line in journal(before / "exp")] == [sha256]
    with tarfile.open(tmp_path / "before.tar.gz", "w:gz") as archive:
        archive.add(before / "exp", "exp")
    video.rename(source / "b.mp4")
    yolo_bac(*common, "--project", tmp_path / "whole")
    for previous in (before, tmp_path / "before.tar.gz"):
        after = tmp_path / f"after-{previous.name}"
        assert yolo_bac(*common, "--project", after, "--previous", previous).code == 0
        assert counts(after / "exp") == (1, 0, 0)
        assert_equal(after / "exp", tmp_path / "whole" / "exp")


def test_a_video_whose_frame_records_are_damaged_is_looked_at_again(yolo_bac: Run, tmp_path: Path) -> None:
    video = moving(tmp_path / "a.mp4", 4)
    yolo_bac(*DETECT, "--source", video, "--project", tmp_path / "before")
    frames = next((tmp_path / "before" / "exp" / "video-frames").glob("*.jsonl"))
    whole = frames.read_bytes()
    frames.write_bytes(whole[: len(whole) // 2])
    ended = yolo_bac(*DETECT, "--source", video, "--project", tmp_path / "after", "--previous", tmp_path / "before")
    assert ended.code == 0 and counts(tmp_path / "after" / "exp") == (0, 1, 0)
    assert (tmp_path / "after" / "exp" / "video-frames" / frames.name).read_bytes() == whole
