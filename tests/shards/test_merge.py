"""Merging: the parts of a job become the run without shards, in whatever order and nesting they come."""

import itertools
import json
import os
import re
import shutil
import signal
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from entrypoint.results.formats import all_formats
from entrypoint.sources.samples import DEMO_SCENES
from tests.conftest import Ended, records, start
from tests.schemas import assert_valid
from tests.videos import moving

Run = Callable[..., Ended]
KINDS = ("--save-txt", "--save-csv", "--save-crop")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A nested tree of scenes, with a broken image and names that sort otherwise as paths than as text."""
    folder = tmp_path / "in"
    for name, scene in zip(("a.png", "a/b.png", "a/c/d.png", "a b.png", "ü/e.png", "z.png"), scenes(), strict=True):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(scene, folder / name)
    (folder / "a" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 and no more")
    shutil.copy(next(scenes()), folder / ("long" * 62 + ".png"))
    return folder


def scenes() -> Any:
    return iter(sorted(DEMO_SCENES.iterdir()))


def predictions(run: Path) -> bytes:
    return (run / "predictions.json").read_bytes()


def status(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "status.json").read_bytes())
    assert_valid(found, "status")
    return found


def tree(run: Path) -> dict[str, bytes]:
    """All files of a run, byte for byte, but for what depends on when, and in which order, its inputs were done."""
    files = (path for path in run.rglob("*") if path.is_file())
    own = {path.relative_to(run).as_posix(): path.read_bytes() for path in files}
    for name in ("status.json", "records.jsonl"):
        del own[name]
    if "index.html" in own:  # what it shows of the inputs; above stand moments, and the run's folder
        own["index.html"] = own["index.html"].partition(b'id="data">')[2]
    if "megadetector.json" in own:
        own["megadetector.json"] = re.sub(rb'"detection_completion_time": "[^"]+"', b"", own["megadetector.json"])
    return own


def journal(run: Path) -> list[dict[str, Any]]:
    """The lines of a run's journal, by file."""
    lines = map(json.loads, (run / "records.jsonl").read_bytes().splitlines())
    return sorted(lines, key=lambda line: str(line["file"]))


def run_shards(yolo_bac: Run, source: Path, project: Path, count: int, *options: object) -> list[Path]:
    for index in range(count):
        command = ["--demo", "--source", source, "--project", project, "--shard", f"{index}/{count}", *options]
        assert yolo_bac(*command).code in (0, 5)
    return [project / "exp" / f"part-{index}-of-{count}" for index in range(count)]


def test_shards_merge_to_the_run_without_shards(yolo_bac: Run, source: Path, tmp_path: Path) -> None:
    assert yolo_bac("--demo", "--source", source, "--project", tmp_path / "whole", *KINDS).code == 5
    parts = run_shards(yolo_bac, source, tmp_path / "out", 3, *KINDS)
    ended = yolo_bac("merge", tmp_path / "out", "--project", tmp_path / "all")
    merged, whole = tmp_path / "all" / "merged", tmp_path / "whole" / "exp"
    assert ended.code == 5 and ended.stdout.startswith("1 of 8 images failed")
    assert tree(merged) == tree(whole)
    assert [line | {"files": sorted(line["files"])} for line in journal(merged)] == [
        line | {"files": sorted(line["files"])} for line in journal(whole)
    ]
    assert status(merged)["counts"] == status(whole)["counts"]
    assert [status(part)["shard"] for part in parts] == [{"index": index, "count": 3} for index in range(3)]


def test_every_format_of_parts_merges_to_what_the_run_without_shards_has(
    yolo_bac: Run, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moving(source / "v.mp4", 12)
    moving(source / "a" / "w.mkv", 9)
    kinds = [word for kind in all_formats() for word in ("--format", kind.name)]
    options = ["--imgsz", 320, *kinds]
    assert yolo_bac("--demo", *options, "--source", source, "--project", tmp_path / "whole").code == 5
    first, second, third = run_shards(yolo_bac, source, tmp_path / "out", 3, *options)
    whole = tree(tmp_path / "whole" / "exp")
    assert b'"engine": "onnx"' in whole["coco.json"] and b'"parts"' not in whole["coco.json"]
    assert {"coco.json", "predictions.json", "megadetector.json", "detections.parquet", "index.html"} <= whole.keys()
    for number, folders in enumerate(((tmp_path / "out",), (third, first, second, first))):
        assert yolo_bac("merge", *folders, "--project", tmp_path / str(number)).code == 5
        assert tree(tmp_path / str(number) / "merged") == whole
    assert yolo_bac("merge", first, third, "--project", tmp_path / "two").code == 5
    monkeypatch.chdir(tmp_path)
    assert yolo_bac("merge", "two", "out/exp/part-1-of-3", "--project", "nested").code == 5
    assert tree(tmp_path / "nested" / "merged") == whole


def test_versions_and_engines_of_parts_are_told_once_each(yolo_bac: Run, source: Path, tmp_path: Path) -> None:
    first, second, third = run_shards(yolo_bac, source, tmp_path / "out", 3, "--nosave")
    for part, version, engine in ((first, "1.0", "onnx"), (second, "2.0", "torch"), (third, "1.0", "onnx")):
        found = status(part)
        found["versions"] |= {"numpy": version}
        (part / "status.json").write_text(json.dumps(found | {"engine": engine}))
    runs = []
    for number, folders in enumerate(((first, second, third), (tmp_path / "0" / "merged", third))):
        yolo_bac("merge", *folders, "--project", tmp_path / str(number))
        runs.append(status(tmp_path / str(number) / "merged"))
    for found in runs:
        assert found["versions"] == status(first)["versions"] | {"numpy": "1.0; 2.0"}
        assert found["engine"] == "onnx; torch"


def test_raw_archives_lose_no_format(yolo_bac: Run, source: Path, tmp_path: Path) -> None:
    """Whatever a format leaves, it is brought over from `job get --raw`'s archives as from folders."""
    kinds = [word for kind in all_formats() for word in ("--format", kind.name)]
    (tmp_path / "raw").mkdir()
    for index in range(2):
        shard = ("--shard", f"{index}/2", "--project", tmp_path / "out")
        assert yolo_bac("--demo", "--imgsz", 64, *kinds, "--source", source, *shard).code in (0, 5)
        with tarfile.open(tmp_path / "raw" / f"{index}.tar.gz", "w:gz") as archive:
            archive.add(tmp_path / "out" / "exp" / f"part-{index}-of-2", f"exp/part-{index}-of-2")
    for name, place in (("folders", tmp_path / "out"), ("archives", tmp_path / "raw")):
        ended = yolo_bac("merge", place, "--project", tmp_path / "all", "--name", name)
        assert ended.code == 5 and "damaged" not in ended.stdout, ended.stderr
    folders, archives = tree(tmp_path / "all" / "folders"), tree(tmp_path / "all" / "archives")
    assert {"yolo", "voc", "labels", "images", "crops"} <= {path.partition("/")[0] for path in archives}
    assert archives.keys() == folders.keys()
    of_inputs = [path for path in folders if "/" in path]
    assert [path for path in of_inputs if archives[path] != folders[path]] == []


def test_parts_in_an_archive_are_found_whatever_bytes_name_their_folders(yolo_bac: Run, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in (b"\xe9t\xe9.png", b"\\xe8.png", b"a.png", b"b.png"):
        shutil.copy(next(scenes()), tmp_path / "in" / os.fsdecode(name))
    with tarfile.open(tmp_path / "raw.tar.gz", "w:gz", format=tarfile.GNU_FORMAT) as archive:
        for index, folder in enumerate(["\udce9", "\\xe9"]):
            shard = ("--shard", f"{index}/2", "--project", tmp_path / "out")
            assert yolo_bac("--demo", "--imgsz", 64, "--source", tmp_path / "in", *shard).code == 0
            archive.add(tmp_path / "out" / "exp" / f"part-{index}-of-2", folder)
    ended = yolo_bac("merge", tmp_path / "raw.tar.gz", "--project", tmp_path / "all")
    assert ended.code == 0, ended.stderr
    assert list(records(tmp_path / "all" / "merged")) == ["\\xe8.png", "\\xe9t\\xe9.png", "a.png", "b.png"]
    assert len(list((tmp_path / "all" / "merged" / "images").iterdir())) == 4


def test_what_two_shards_would_call_by_one_name_is_refused_before_the_work(yolo_bac: Run, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number, scene in enumerate(scenes()):
        for suffix in (".png", ".jpg"):  # told by their content
            shutil.copy(scene, tmp_path / "in" / f"{number}{suffix}")
    for index in range(2):
        shard = ("--shard", f"{index}/2", "--project", tmp_path / "out")
        ended = yolo_bac("--demo", "--imgsz", 64, "--format", "yolo", "--source", tmp_path / "in", *shard)
        assert ended.code == 2 and "would share one label file" in ended.stderr, ended.stderr


def test_merging_is_associative_and_free_of_order(yolo_bac: Run, source: Path, tmp_path: Path) -> None:
    parts = run_shards(yolo_bac, source, tmp_path / "out", 3, "--nosave")
    numbers = itertools.count()

    def merge(*folders: Path) -> Path:
        name = f"merged-{next(numbers)}"
        assert yolo_bac("merge", *folders, "--project", tmp_path / "all", "--name", name).code == 5
        return tmp_path / "all" / name

    flat = merge(*parts)
    for a, b, c in itertools.permutations(parts):
        for other in (merge(a, b, c), merge(merge(a, b), c), merge(a, merge(c, b), b)):
            assert predictions(other) == predictions(flat)
            assert status(other)["merged"] == status(flat)["merged"]
            assert status(other)["counts"] == status(flat)["counts"]


def test_a_part_that_is_there_twice_or_unfinished_does_no_harm(yolo_bac: Run, source: Path, tmp_path: Path) -> None:
    parts = run_shards(yolo_bac, source, tmp_path / "out", 2)
    whole = yolo_bac("merge", *parts, "--project", tmp_path / "all")
    lost = tmp_path / "lost" / "execution"
    shutil.copytree(parts[1], lost)
    half = status(lost) | {"state": "running", "exit_code": None}
    (lost / "status.json").write_text(json.dumps(half))
    lines = (lost / "records.jsonl").read_bytes().splitlines(keepends=True)
    (lost / "records.jsonl").write_bytes(lines[0] + lines[1][:20])
    ended = yolo_bac("merge", tmp_path / "out", tmp_path / "lost", "--project", tmp_path / "all")
    assert ended.stdout.splitlines()[0] == whole.stdout.splitlines()[0]
    assert "part 1 of 2 is there more than once" in ended.stderr
    assert predictions(tmp_path / "all" / "merged2") == predictions(tmp_path / "all" / "merged")

    ended = yolo_bac("merge", parts[0], lost, "--project", tmp_path / "all")
    assert ended.code == 5
    left = status(parts[1])["counts"]["total"] - 1
    assert left > 0 and ended.stdout.startswith(f"Incomplete: part 1 of 2 unfinished, {left} input")
    assert status(tmp_path / "all" / "merged3")["state"] == "stopped"


def test_a_run_killed_in_its_first_seconds_loses_nothing_that_has_a_record(yolo_bac: Run, tmp_path: Path) -> None:
    for number in range(120):
        shutil.copy(next(scenes()), tmp_path / f"{number:03}.png")
    job = start("--demo", "--source", tmp_path / "*.png", "--save-txt", "--project", tmp_path / "out")
    killed, merged = tmp_path / "out" / "exp", tmp_path / "all" / "merged"
    while job.poll() is None and len(list(killed.glob("labels/*.json"))) < 20:
        time.sleep(0.01)
    job.kill()
    job.communicate()
    assert (job.returncode, status(killed)["counts"]["done"]) == (-signal.SIGKILL, 0), "status.json is its first one"

    ended = yolo_bac("merge", killed, "--project", tmp_path / "all")
    ours, theirs = ([line | {"files": sorted(line["files"])} for line in journal(run)] for run in (merged, killed))
    assert ours == theirs
    left = {path for line in journal(killed) for path in line["files"]}
    assert {path: (killed / path).read_bytes() for path in left}.items() <= tree(merged).items()
    done = len(journal(killed))
    assert ended.stdout.startswith(
        f"Incomplete: part 0 of 1 unfinished, {120 - done} inputs left. {done} of 120 images done, "
    )


def test_a_missing_part_is_named(yolo_bac: Run, source: Path, tmp_path: Path) -> None:
    parts = run_shards(yolo_bac, source, tmp_path / "out", 3)
    ended = yolo_bac("merge", parts[0], parts[2], "--project", tmp_path / "all")
    assert ended.code == 5
    assert ended.stdout.startswith("Incomplete: part 1 of 3 missing.")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--conf-thres", "0.5"), "differ in settings (conf_thres 0.25 and 0.5)"),
        (("--shard", "0/3"), "differ in number of parts (2, 3)"),
    ],
)
def test_parts_of_different_jobs_are_not_mixed(
    yolo_bac: Run, source: Path, tmp_path: Path, options: tuple[str, ...], complaint: str
) -> None:
    common = ("--demo", "--source", source, "--nosave", "--project")
    yolo_bac(*common, tmp_path / "1", "--shard", "0/2")
    yolo_bac(*common, tmp_path / "2", "--shard", "1/2", *options)
    ended = yolo_bac("merge", tmp_path / "1", tmp_path / "2", "--project", tmp_path / "all")
    assert ended.code == 4
    assert complaint in ended.stderr
    assert not (tmp_path / "all").exists()


@pytest.mark.parametrize("content", [None, "{}", "[1]", '{"identity": 3}', "not json"])
def test_nothing_to_merge_is_said(yolo_bac: Run, tmp_path: Path, content: str | None) -> None:
    (tmp_path / "in").mkdir()
    if content:
        (tmp_path / "in" / "status.json").write_text(content)
    ended = yolo_bac("merge", tmp_path / "in", "--project", tmp_path / "all")
    assert ended.code == 4
    assert "no part of a run" in ended.stderr


def test_parts_of_different_engines_are_merged_with_a_warning(yolo_bac: Run, source: Path, tmp_path: Path) -> None:
    parts = run_shards(yolo_bac, source, tmp_path / "parts", 2)
    for engines, warned in ((("torch", "onnx"), True), (("onnx", "onnx"), False)):
        for part, engine in zip(parts, engines, strict=True):
            path = part / "status.json"
            path.write_text(json.dumps(json.loads(path.read_bytes()) | {"engine": engine}))
        ended = yolo_bac("merge", tmp_path / "parts", "--project", tmp_path)
        assert ended.code == 5  # the source has an image that fails
        assert ("different engines (onnx; torch)" in ended.stderr) == warned


def test_a_hostile_record_writes_nowhere_else(yolo_bac: Run, source: Path, tmp_path: Path) -> None:
    (part,) = run_shards(yolo_bac, source, tmp_path / "out", 1)
    evil = {"file": "../../../evil", "width": 1, "height": 1, "detections": [], "failure": None}
    evil |= {"input": None, "files": []}
    lines = [evil, evil | {"file": "x", "files": ["../../evil.json"]}, {"file": "cut"}]
    with (part / "records.jsonl").open("a") as file:
        file.write("".join(f"{json.dumps(line)}\n" for line in lines))
    ended = yolo_bac("merge", part, "--project", tmp_path / "all")
    assert ended.code == 5 and "1 of 8 images failed" in ended.stdout
    assert ended.stderr.count("is not a whole record") == 3
    assert "records.jsonl, line 9," in ended.stdout and not list(tmp_path.glob("**/evil*"))


def test_a_job_with_partitions_that_did_not_ask_for_shards(
    yolo_bac: Run, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACALHAU_PARTITION_COUNT", "2")
    for index in range(2):
        monkeypatch.setenv("BACALHAU_PARTITION_INDEX", str(index))
        ended = yolo_bac("--demo", "--source", source, "--project", tmp_path / "out")
        assert "--shard auto shares the work out" in ended.stderr
        assert status(tmp_path / "out" / "exp" / f"part-{index}-of-2")["counts"]["total"] == 8
        yolo_bac("--demo", "--source", source, "--project", tmp_path / "auto", "--shard", "auto")
    assert yolo_bac("merge", tmp_path / "out", "--project", tmp_path / "all").code == 5  # an image failed
    ended = yolo_bac("merge", tmp_path / "out" / "exp" / "part-0-of-2", "--project", tmp_path / "all")
    assert ended.stdout.startswith("Incomplete: part 1 of 2 missing. 1 of 8 images failed")
    parts = sorted((tmp_path / "auto" / "exp").iterdir())
    assert [part.name for part in parts] == ["part-0-of-2", "part-1-of-2"]
    assert sum(status(part)["counts"]["total"] for part in parts) == 8


def test_a_part_does_not_land_in_a_run_of_its_own(yolo_bac: Run, source: Path, tmp_path: Path) -> None:
    yolo_bac("--demo", "--source", source, "--project", tmp_path, "--nosave")
    yolo_bac("--demo", "--source", source, "--project", tmp_path, "--nosave", "--shard", "0/2")
    assert (tmp_path / "exp2" / "part-0-of-2" / "status.json").is_file()
    yolo_bac("--demo", "--source", source, "--project", tmp_path, "--nosave")
    assert (tmp_path / "exp3" / "status.json").is_file()
