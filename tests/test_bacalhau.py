"""A Bacalhau job, from its inputs to the merged results: as specified, whatever the node does to it.

Every test runs the checkout's program as a process, and the image that YOLO_BAC_IMAGE names in a container.
"""

import json
import os
import random
import shutil
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import pytest

from entrypoint.sources.samples import DEMO_IMGSZ, DEMO_SCENES, DEMO_WEIGHTS, bundled_images
from scripts.nodesmoke.guide import load_jobs
from tests.bacalhau_node import cgroup, table
from tests.bacalhau_node.engine import EngineRunner
from tests.bacalhau_node.failures import BAKED, FAILING
from tests.bacalhau_node.inputs import Source, inline, ipfs, local, s3, url
from tests.bacalhau_node.launch import Limits, Runner
from tests.bacalhau_node.node import SHOWN_BYTES, VERSIONS, Execution, Job, Node
from tests.bacalhau_node.process import ProcessRunner
from tests.bacalhau_node.publish import SamePathError, job_get, job_get_raw
from tests.schemas import assert_valid
from tests.videos import Recipe, make_video, shapes

WEIGHTS = url(DEMO_WEIGHTS)
AT_320 = ("--imgsz", str(DEMO_IMGSZ))


@pytest.fixture(scope="module", params=["process", "image"])
def runner(request: pytest.FixtureRequest) -> Runner:
    """Both ways to run the program, where the machine has them."""
    if request.param == "process":
        return available(ProcessRunner())
    if not os.environ.get("YOLO_BAC_IMAGE"):
        pytest.skip("YOLO_BAC_IMAGE names no image")
    return available(EngineRunner(os.environ["YOLO_BAC_IMAGE"]))


def available(runner: Runner) -> Runner:
    if why := runner.unavailable():
        pytest.skip(why)
    return runner


@pytest.fixture(scope="module")
def node(runner: Runner, tmp_path_factory: pytest.TempPathFactory) -> Node:
    return Node(tmp_path_factory.mktemp("node"), runner)


@pytest.fixture(scope="module")
def limits(runner: Runner) -> Limits:
    """What a job gets that asks for nothing."""
    if isinstance(runner, ProcessRunner) and (why := cgroup.unavailable()):
        pytest.skip(why)
    return Limits()


def shell(script: str, **job: Any) -> Job:
    return Job(arguments=("sh", "-c", script), **job)


def many(folder: Path, count: int) -> Path:
    """Scenes enough to keep the program busy for some seconds."""
    scenes = sorted(DEMO_SCENES.iterdir())
    folder.mkdir()
    for number in range(count):
        shutil.copyfile(scenes[number % len(scenes)], folder / f"{number:04}.png")
    return folder


def status(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "status.json").read_bytes())
    assert_valid(found, "status")
    return found


def records(run: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((run / "predictions.json").read_bytes())["images"]
    return found


def wait_for_records(execution: Execution, count: int) -> None:
    for _ in range(6000):
        if len(list(execution.outputs.glob("exp/**/labels/**/*.json"))) >= count:
            return
        time.sleep(0.01)
    raise AssertionError(execution.stderr)


# The node itself


def test_a_job_sees_what_its_sources_leave(node: Node, tmp_path: Path) -> None:
    (tmp_path / "tree" / "deep").mkdir(parents=True)
    (tmp_path / "tree" / "deep" / "file").write_text("x")
    (tmp_path / "tree" / "link").symlink_to("nowhere")
    inputs = {
        "/inputs": local(tmp_path / "tree"),
        "/datasets": ipfs(tmp_path / "tree" / "deep" / "file"),
        "/more/url": url(tmp_path / "tree" / "deep" / "file", "a name"),
        "/more/s3": s3(tmp_path / "tree"),
        "/more/cid": ipfs(tmp_path / "tree"),
        "/more/inline": inline(b"x"),
    }
    looks = (
        "cd /more; stat -c '%F %a %n' s3 s3/deep s3/deep/file inline cid/link; cat 'url/a name' /datasets; echo; "
        "ls s3; touch cid/new && echo written; touch /inputs/new 2>/dev/null || echo read-only; "
        "ls -d /outputs; df -k /dev/shm | tail -n 1 | tr -s ' ' | cut -d ' ' -f 2"
    )
    seen = node.run(shell(looks, inputs=inputs)).stdout.splitlines()
    assert seen == [
        *("directory 700 s3", "directory 700 s3/deep", "regular file 644 s3/deep/file", "regular file 600 inline"),
        *("symbolic link 777 cid/link", "xx", "deep", "written", "read-only", "/outputs", "65536"),
    ]


@pytest.mark.parametrize(
    ("version", "kind", "seen"),
    [
        ("1.3", "batch", "unset unset mounted"),
        ("1.5", "batch", "unset unset absent"),
        ("1.9", "batch", "1 3 absent"),
        ("1.9", "ops", "1 0 absent"),
        ("1.9", "daemon", "1 0 absent"),
    ],
)
def test_each_version_has_its_environment(runner: Runner, tmp_path: Path, version: str, kind: Any, seen: str) -> None:
    script = (
        "echo ${BACALHAU_PARTITION_INDEX-unset} ${BACALHAU_PARTITION_COUNT-unset} "
        "$(test -d /outputs && echo mounted || echo absent)"
    )
    execution = Node(tmp_path, runner, VERSIONS[version]).run(shell(script, outputs=False, count=3, type=kind), 1)
    assert execution.stdout.strip() == seen


def test_only_plain_files_are_published_whatever_the_exit_code(node: Node, tmp_path: Path) -> None:
    script = "cd /outputs; mkdir d; echo x > d/file; echo x > .hidden; ln -s d link; mkfifo pipe; exit 3"
    execution = node.run(shell(script, publisher="ipfs"))
    assert (execution.ended, execution.code) == ("completed", 3)
    assert execution.dropped == ("outputs/.hidden", "outputs/link", "outputs/pipe")
    assert execution.published
    job_get([execution.published], tmp_path)
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {"outputs/d/file", "stdout", "stderr", "exitCode"}
    assert (tmp_path / "exitCode").read_text() == "3"


def test_equal_paths_of_two_executions_cannot_be_merged(node: Node, tmp_path: Path) -> None:
    archives = [node.run(shell(f"echo {n} > /outputs/same")).published for n in range(2)]
    with pytest.raises(SamePathError, match="outputs/same"):
        job_get(filter(None, archives), tmp_path / "merged")
    job_get_raw(filter(None, archives), tmp_path)
    assert len(list(tmp_path.glob("raw/127.0.0.1_e-*.tar.gz"))) == 2


def test_the_first_bytes_of_a_stream_are_kept(node: Node) -> None:
    assert node.run(shell("yes | head -c 5000")).stdout == "y\n" * (SHOWN_BYTES // 2)


def test_what_does_not_stop_is_killed_after_a_second(node: Node) -> None:
    execution = node.start(shell("trap '' TERM; echo > /outputs/ready; sleep 20 & wait; sleep 20"))
    while not (execution.outputs / "ready").exists():
        time.sleep(0.01)
    sent = time.monotonic()
    execution.stop()
    assert (execution.code, execution.ended, execution.published) == (137, "cancelled", None)
    assert 1 <= time.monotonic() - sent < 5


def test_running_out_of_memory_is_noticed(node: Node, limits: Limits) -> None:
    execution = node.run(Job(arguments=("python", "-c", "print(len(b'x' * 10**9))"), limits=limits))
    assert (execution.ended, execution.published) == ("out of memory", None)


# Inputs, names and outputs


@pytest.fixture(scope="module")
def outcomes(node: Node, tmp_path_factory: pytest.TempPathFactory) -> dict[table.Row, table.Outcome]:
    """All rows at once, two at a time; `python -m tests.bacalhau_node table` shows every combination."""
    data = table.make_data(tmp_path_factory.mktemp("data"))
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda row: table.outcome(row, data, node), table.each_kind_once()))
    print(*table.lines(found), sep="\n")
    return {outcome.row: outcome for outcome in found}


@pytest.mark.parametrize(
    "row", list(table.each_kind_once()), ids=lambda row: f"{row.media}-{row.weights}-{row.outputs}"
)
def test_any_input_under_any_name_to_any_output(outcomes: Mapping[table.Row, table.Outcome], row: table.Row) -> None:
    assert outcomes[row].faults == []


@pytest.mark.parametrize("source", ["/datasets", "$(pwd)/data/images"])
def test_the_tutorials_command_works_unchanged(node: Node, runner: Runner, source: str) -> None:
    if "pwd" in source and isinstance(runner, ProcessRunner):
        pytest.skip("the sample images are in the image's working directory")
    script = (
        r"find /inputs -type f -exec cp {} /outputs/yolov5s.pt \; ; "
        f"python detect.py --weights /outputs/yolov5s.pt --source {source} --project /outputs"
    )
    inputs = {"/inputs": WEIGHTS, "/datasets": ipfs(DEMO_SCENES)}
    execution = node.run(Job(arguments=("/bin/bash", "-c", script), inputs=inputs))
    assert execution.code == 0, execution.stderr
    assert len(records(execution.outputs / "exp")) == (len(table.SHAPES) if source == "/datasets" else 2)


def test_a_cid_that_vanishes_in_mid_run_costs_its_files_and_nothing_else(node: Node, tmp_path: Path) -> None:
    media = ipfs(many(tmp_path / "media", 300))
    execution = node.start(Job(inputs={"/inputs": WEIGHTS, "/datasets": media}))
    wait_for_records(execution, 5)
    node.forget(media)
    assert execution.finish().code == 5, execution.stderr
    found = records(execution.outputs / "exp")
    failures = [record["failure"] for record in found if record["failure"] is not None]
    assert len(found) == 300 and 0 < len(failures) < 300
    assert all(failure.startswith("vanished: ") for failure in failures)
    assert "vanished" in execution.stdout


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of 1280 × 720 with sound, in which shapes move."""
    frames = [shapes(number, 1280, 720)[0] for number in range(50)]
    return make_video(tmp_path_factory.mktemp("video") / "clip.mp4", frames, Recipe(audio="aac"))


@pytest.mark.parametrize("kind", [ipfs, local, s3])
def test_videos_and_archives_are_read_where_they_lie(
    node: Node, tmp_path: Path, video: Path, kind: Callable[[Path], Source]
) -> None:
    media = tmp_path / "media"
    media.mkdir()
    shutil.copy(video, media / "clip.mp4")
    with tarfile.open(media / "data.tar.gz", "w:gz") as archive:
        archive.add(DEMO_SCENES / "scene-1.png", "a/scene-1.png")
        archive.add(video, "b/clip.mp4")
    execution = node.run(Job(arguments=AT_320, inputs={"/inputs": WEIGHTS, "/datasets": kind(media)}))
    assert execution.code == 0, execution.stderr
    assert (execution.dropped, execution.changed_inputs()) == ((), [])
    run = execution.outputs / "exp"
    alone, still, packed = records(run)
    assert (alone["file"], packed["file"]) == ("clip.mp4", "data.tar.gz/b/clip.mp4")
    assert still["file"] == "data.tar.gz/a/scene-1.png" and len(still["detections"]) == table.SHAPES["scene-1.png"]
    assert alone["detections"] == packed["detections"] and alone["frames_read"] == 50
    assert {one["frame"] for one in alone["detections"]} == set(range(50))
    assert (run / "images" / "clip.mp4").read_bytes() == (run / "images" / packed["file"]).read_bytes()


def test_an_archive_that_a_node_has_given_another_name_is_known_by_its_content(node: Node, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        for scene in sorted(DEMO_SCENES.iterdir()):
            archive.write(scene, scene.name)
    inputs = {"/inputs": WEIGHTS, "/datasets": ipfs(tmp_path / "data.zip")}
    execution = node.run(Job(arguments=AT_320, inputs=inputs))
    assert execution.code == 0, execution.stderr
    found = {record["file"]: len(record["detections"]) for record in records(execution.outputs / "exp")}
    assert found == {f"datasets/{scene}": count for scene, count in table.SHAPES.items()}


# Failures


@pytest.fixture(scope="module")
def endings(node: Node, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Execution]:
    """All failing cases at once, two at a time; `python -m tests.bacalhau_node failures` shows what they say."""
    baked = node.run(shell(BAKED)).code == 0
    cases = [name for name, case in FAILING.items() if not (baked and case.unless_baked)]
    data = tmp_path_factory.mktemp("failures")
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(cases, pool.map(lambda name: node.run(FAILING[name].job(data / name)), cases), strict=True))


@pytest.mark.parametrize("case", list(FAILING))
def test_the_first_bytes_name_the_cause_and_the_fix(endings: Mapping[str, Execution], case: str) -> None:
    if case not in endings:
        pytest.skip("there are weights besides those of the job")
    execution = endings[case]
    assert FAILING[case].faults(execution) == [], f"{execution.stderr}{execution.stdout}"
    assert (execution.dropped, execution.changed_inputs()) == ((), [])


# Stops


@pytest.mark.parametrize("moment", ["while it starts", "in mid-run"])
def test_a_cancelled_job_ends_within_a_second(node: Node, tmp_path: Path, moment: str) -> None:
    media = local(many(tmp_path / "media", 300))
    execution = node.start(Job(inputs={"/inputs": WEIGHTS, "/datasets": media}))
    if moment == "in mid-run":
        wait_for_records(execution, 5)
    else:
        time.sleep(1)
    execution.stop()
    assert (execution.code, execution.published) == (143, None), execution.stderr
    if moment == "in mid-run":
        left = status(execution.outputs / "exp")
        assert (left["state"], left["exit_code"]) == ("stopped", 143)
        assert "stopped by SIGTERM" in execution.stderr


# Limits


def test_the_least_a_node_gives_is_enough_or_said_at_once(node: Node, limits: Limits) -> None:
    inputs = {"/inputs": WEIGHTS, "/datasets": local(DEMO_SCENES)}
    carried_or_said(node.run(Job(arguments=AT_320, inputs=inputs, limits=limits)), table.SHAPES)


def test_less_than_that_is_said_at_once(node: Node, limits: Limits) -> None:
    inputs = {"/inputs": WEIGHTS, "/datasets": local(DEMO_SCENES)}
    execution = node.run(Job(arguments=AT_320, inputs=inputs, limits=Limits(limits.cpus, 80_000_000)))
    assert execution.code == 7, execution.stderr
    carried_or_said(execution, table.SHAPES)


def test_official_weights_get_the_same_on_photographs(node: Node, limits: Limits, data: Path) -> None:
    inputs = {"/inputs": url(data / "weights" / "yolov5n-coco.pt"), "/datasets": local(data / "images")}
    carried_or_said(node.run(Job(inputs=inputs, limits=limits)), [path.name for path in (data / "images").iterdir()])


@pytest.mark.parametrize("megabytes", [512, 300, 200])
def test_a_video_of_720_lines_is_carried_or_said(node: Node, limits: Limits, video: Path, megabytes: int) -> None:
    inputs = {"/inputs": WEIGHTS, "/datasets": ipfs(video)}
    carried_or_said(node.run(Job(inputs=inputs, limits=Limits(limits.cpus, megabytes * 1_000_000))), ["datasets"])


def carried_or_said(execution: Execution, files: Iterable[str]) -> None:
    assert execution.ended == "completed", f"{execution.ended} after {execution.seconds:.1f} s: {execution.stderr}"
    if execution.code == 7:
        assert execution.seconds < 10
        assert "--memory 4gb" in execution.stderr.partition("\n")[0]
        return
    assert execution.code == 0, execution.stderr
    found = records(execution.outputs / "exp")
    assert [record["file"] for record in found] == sorted(files)
    assert all(record["detections"] for record in found)


# Partitions


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scenes of many shapes and formats, nested, one of them damaged."""
    folder = tmp_path_factory.mktemp("tree")
    for number in range(36):
        scene = cv2.imread(str(DEMO_SCENES / f"scene-{number % 6 + 1}.png"))
        assert scene is not None
        place = folder / ("", "a", "a/b ü", "c/d/e")[number % 4]
        place.mkdir(parents=True, exist_ok=True)
        resized = cv2.resize(scene, None, fx=1 + number / 60, fy=1 + number % 5 / 10)
        suffix = (".png", ".jpg", ".bmp")[number % 3]
        (place / f"{number}{suffix}").write_bytes(cv2.imencode(suffix, resized)[1].tobytes())
    (folder / "a" / "damaged.png").write_bytes((DEMO_SCENES / "scene-1.png").read_bytes()[:2000])
    return folder


Shared = Callable[..., Job]


@pytest.fixture(scope="module")
def shared(tree: Path) -> Shared:
    """Makes jobs on the tree; each leaves all kinds of files."""
    sources = {"/inputs": WEIGHTS, "/datasets": ipfs(tree)}
    kinds = ("--save-txt", "--save-csv", "--save-crop", "--max-failures", "1")

    def make(*arguments: str, **job: Any) -> Job:
        # Two run at once on this machine's cores, as they would not on two nodes: threads had better not spin.
        env = {"OMP_WAIT_POLICY": "PASSIVE"}
        return Job(arguments=(*AT_320, *kinds, *arguments), **{"inputs": sources, "env": env, **job})

    return make


@pytest.fixture(scope="module")
def whole(node: Node, shared: Shared) -> dict[str, bytes]:
    """What the run without shards leaves."""
    execution = node.run(shared())
    assert execution.code == 0, execution.stderr
    assert len(records(execution.outputs / "exp")) == 37
    return content(execution.outputs / "exp")


@pytest.fixture(scope="module")
def thirds(node: Node, shared: Shared) -> list[Execution]:
    """The executions of a job of three shards."""
    return node.run_all(shared("--shard", "auto", count=3))


def content(run: Path) -> dict[str, bytes]:
    """All files of a run by name; status.json, and the info block of others, tell where a run comes from."""
    files = {str(path.relative_to(run)): path.read_bytes() for path in run.rglob("*") if path.is_file()}
    for name in ("status.json", "records.jsonl", "index.html"):  # which say when, and in which order
        del files[name]
    for name in ("predictions.json", "coco.json"):
        info, end, rest = files[name].partition(b"},\n")
        assert info.startswith(b'{"info": {') and end
        files[name] = rest
    return files


def archives(executions: Iterable[Execution]) -> list[Path]:
    """What they published; none of it may be missing."""
    found = []
    for execution in executions:
        assert execution.code == 0 and execution.published and not execution.dropped, execution.stderr
        found.append(execution.published)
    return found


def merge(node: Node, results: Source | Path, *options: str) -> Execution:
    """Merge downloaded results, as one more job."""
    source = local(results) if isinstance(results, Path) else results
    return node.run(Job(arguments=("merge", *options, "/inputs"), inputs={"/inputs": source}))


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_shards_merge_to_the_run_without(
    node: Node,
    shared: Shared,
    whole: Mapping[str, bytes],
    request: pytest.FixtureRequest,
    tmp_path: Path,
    count: int,
) -> None:
    cached = count == 3
    job = shared("--shard", "auto", count=count)
    executions: list[Execution] = request.getfixturevalue("thirds") if cached else node.run_all(job)
    job_get(archives(executions), tmp_path)
    merged = merge(node, tmp_path)
    assert merged.code == 0, merged.stderr
    assert_same(content(merged.outputs / "merged"), whole)
    parts = {str(path.relative_to(tmp_path / "outputs" / "exp")) for path in tmp_path.glob("outputs/exp/part-*")}
    assert parts == ({f"part-{index}-of-{count}" for index in range(count)} if count > 1 else set())


def assert_same(ours: Mapping[str, bytes], theirs: Mapping[str, bytes]) -> None:
    assert ours["predictions.json"] == theirs["predictions.json"]
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if ours[name] != theirs[name]] == []


@pytest.mark.parametrize("moment", ["at any moment", "in mid-run"])
def test_a_shard_whose_node_is_lost_is_retried(
    node: Node, thirds: list[Execution], whole: Mapping[str, bytes], tmp_path: Path, moment: str
) -> None:
    first = node.start(thirds[1].job, 1)
    if moment == "in mid-run":
        wait_for_records(first, 1)
        first.lose()
    else:
        after = random.uniform(0, thirds[1].seconds)
        print(f"lost after {after:.3f} s")
        first.lose(after)
    assert (first.ended, first.published) == ("lost", None)
    retried = node.run(first.job, 1)
    assert retried.id != first.id
    job_get(archives([thirds[0], retried, thirds[2]]), tmp_path)
    merged = merge(node, tmp_path)
    assert merged.code == 0, merged.stderr
    assert_same(content(merged.outputs / "merged"), whole)


def test_a_shard_that_ran_twice_changes_nothing(
    node: Node, thirds: list[Execution], whole: Mapping[str, bytes], tmp_path: Path
) -> None:
    twice = archives([*thirds, node.run(thirds[2].job, 2)])
    with pytest.raises(SamePathError):
        job_get(twice, tmp_path / "merged")
    job_get_raw(twice, tmp_path / "raw")
    merged = merge(node, tmp_path / "raw")
    assert merged.code == 0, merged.stderr
    assert "more than once" in merged.stderr
    assert_same(content(merged.outputs / "merged"), whole)


def test_a_shard_that_never_came_is_said(node: Node, thirds: list[Execution], tmp_path: Path) -> None:
    job_get(archives(thirds[::2]), tmp_path)
    merged = merge(node, tmp_path)
    assert merged.code == 5
    assert "1 of 3 missing" in merged.stdout
    folders = [third.outputs / "exp" / f"part-{third.index}-of-3" for third in thirds[::2]]
    here = [record["file"] for folder in folders for record in records(folder)]
    assert [record["file"] for record in records(merged.outputs / "merged")] == sorted(here)


def test_a_shard_out_of_time_is_said(node: Node, shared: Shared, thirds: list[Execution], tmp_path: Path) -> None:
    late = node.run(shared("--shard", "auto", "--time-budget", "0.001", count=3), 1)
    assert (late.code, late.ended) == (5, "completed"), late.stderr
    left = status(late.outputs / "exp" / "part-1-of-3")
    assert left["counts"]["not_done"] > 0
    assert late.published
    job_get([*archives(thirds[::2]), late.published], tmp_path)
    merged = merge(node, tmp_path)
    assert merged.code == 5, merged.stderr
    assert "1 of 3 unfinished" in merged.stdout


def test_parts_of_different_jobs_are_not_merged(
    node: Node, shared: Shared, thirds: list[Execution], tmp_path: Path
) -> None:
    other = node.run(shared("--shard", "auto", "--conf-thres", "0.5", count=3), 1)
    job_get(archives([thirds[0], other, thirds[2]]), tmp_path)
    merged = merge(node, tmp_path)
    assert merged.code == 4
    assert "conf_thres" in merged.stderr.partition("\n")[0]


def test_executions_that_do_not_share_do_not_collide(
    node: Node, shared: Shared, whole: Mapping[str, bytes], tmp_path: Path
) -> None:
    both = node.run_all(shared(count=2))
    job_get(archives(both), tmp_path)
    for execution in both:
        assert "--shard auto" in execution.stderr
        run = tmp_path / "outputs" / "exp" / f"part-{execution.index}-of-2"
        assert_same(content(run), whole)


def test_executions_of_an_ops_job_have_folders_of_their_own(
    node: Node, shared: Shared, whole: Mapping[str, bytes], tmp_path: Path
) -> None:
    both = [node.run(shared("--shard", "auto", count=2, type="ops"), index) for index in range(2)]
    job_get(archives(both), tmp_path)
    for execution in both:
        assert execution.code == 0, execution.stderr
        (run,) = (execution.outputs / "exp").iterdir()
        assert run.name.startswith("e-")
        assert_same(content(run), whole)
    merged = merge(node, tmp_path, "--side-by-side")
    assert merged.code == 0, merged.stderr
    assert len(records(merged.outputs / "merged")) == 2 * len(records(run))


def test_a_job_goes_on_from_what_another_one_published(
    node: Node, shared: Shared, whole: Mapping[str, bytes], tmp_path: Path
) -> None:
    first = node.run(shared("--shard", "0/2"))
    job_get_raw(archives([first]), tmp_path)
    job = shared()
    again = node.run(replace(job, inputs={**job.inputs, "/previous": local(tmp_path / "raw")}))
    assert again.code == 0, again.stderr
    found = status(again.outputs / "exp")["counts"]
    assert found["taken_over"] == status(first.outputs / "exp" / "part-0-of-2")["counts"]["done"] > 0
    assert_same(content(again.outputs / "exp"), whole)


def test_partitions_of_s3_need_no_sharding(
    node: Node, shared: Shared, tree: Path, whole: Mapping[str, bytes], tmp_path: Path
) -> None:
    inputs = {"/inputs": WEIGHTS, "/datasets": s3(tree, partitioned=True)}
    executions = node.run_all(shared(count=2, inputs=inputs))
    job_get(archives(executions), tmp_path)
    merged = merge(node, tmp_path)
    assert merged.code == 0, merged.stderr
    assert_same(content(merged.outputs / "merged"), whole)


@pytest.mark.parametrize("late", [0, 1])
def test_an_unfinished_partition_of_s3_is_said(
    node: Node, shared: Shared, tree: Path, tmp_path: Path, late: int
) -> None:
    inputs = {"/inputs": WEIGHTS, "/datasets": s3(tree, partitioned=True)}
    done = node.run(shared(count=2, inputs=inputs), 1 - late)
    unfinished = node.run(shared("--time-budget", "0.001", count=2, inputs=inputs), late)
    assert unfinished.code == 5 and unfinished.published, unfinished.stderr
    job_get([*archives([done]), unfinished.published], tmp_path)
    assert merge(node, tmp_path).code == 5


# Job files


def stand_in(target: str, kind: str, partitioned: bool, folder: Path) -> Source:
    """A source of the same type, with the demo network or its scenes behind it."""
    weights = target == "/inputs"
    if kind == "urlDownload":
        return url(DEMO_WEIGHTS, "yolov5s.pt")
    if kind == "ipfs":
        return ipfs(DEMO_WEIGHTS if weights else DEMO_SCENES)
    if kind == "localDirectory":
        shutil.copy(DEMO_WEIGHTS, folder / "best.pt")
        return local(folder if weights else DEMO_SCENES)
    assert kind == "s3"
    return s3(DEMO_SCENES, partitioned=partitioned)


@pytest.mark.parametrize("name", sorted(load_jobs()))
def test_a_job_file_runs_as_it_is(node: Node, tmp_path: Path, name: str) -> None:
    file = load_jobs()[name]
    (task,) = file["Tasks"]
    inputs = {"/inputs": WEIGHTS}  # where the job names none, the image's own
    for given in task.get("InputSources", ()):
        kind, details = given["Source"]["Type"], given["Source"]["Params"]
        inputs[given["Target"]] = stand_in(given["Target"], kind, "Partition" in details, tmp_path)
    arguments = (*task["Engine"]["Params"].get("Parameters", ()), *AT_320)
    executions = node.run_all(Job(arguments=arguments, inputs=inputs, count=file.get("Count", 1)))
    assert [execution.code for execution in executions] == [0] * len(executions), executions[0].stderr
    (tmp_path / "got").mkdir()
    job_get(archives(executions), tmp_path / "got")
    images = len(list(DEMO_SCENES.iterdir())) if "/datasets" in inputs else len(list(bundled_images().iterdir()))
    merged = merge(node, tmp_path / "got")
    assert (merged.code, status(merged.outputs / "merged")["counts"]["done"]) == (0, images), merged.stderr
