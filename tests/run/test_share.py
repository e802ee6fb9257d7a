"""Where a run's results go, and what it looks at, by what the platform says of its execution."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from entrypoint.errors import UsageError
from entrypoint.run.share import share_of
from entrypoint.settings import Settings
from entrypoint.shard import Shard
from entrypoint.sources.samples import DEMO_SCENES
from tests.conftest import Ended

Run = Callable[..., Ended]
OPS = {"BACALHAU_JOB_TYPE": "ops", "BACALHAU_EXECUTION_ID": "e-1b", "BACALHAU_PARTITION_COUNT": "0"}


@pytest.mark.parametrize("kind", ["ops", "daemon"])
@pytest.mark.parametrize("shard", [None, "auto", "none"])
def test_executions_with_data_of_their_own_have_folders_of_their_own(kind: str, shard: str | None) -> None:
    share = share_of(Settings(shard=shard), OPS | {"BACALHAU_JOB_TYPE": kind})  # type: ignore[arg-type]
    assert (share.shard, share.part, share.folder) == (None, None, "e-1b")
    assert share.source("/datasets") == "/datasets of e-1b"


@pytest.mark.parametrize(
    ("asked", "environment", "expected"),
    [
        # the option, the variables; the shard, the folder
        (None, {}, (None, None)),
        (None, {"BACALHAU_PARTITION_COUNT": "0"}, (None, None)),
        ("auto", {"BACALHAU_PARTITION_COUNT": "1"}, (None, None)),
        (Shard(0, 2), OPS, (Shard(0, 2), "part-0-of-2")),
        ("auto", {"BACALHAU_PARTITION_COUNT": "2", "BACALHAU_PARTITION_INDEX": "1"}, (Shard(1, 2), "part-1-of-2")),
        ("none", {"BACALHAU_PARTITION_COUNT": "2", "BACALHAU_PARTITION_INDEX": "1"}, (None, "part-1-of-2")),
        (None, {"BACALHAU_JOB_TYPE": "batch", "BACALHAU_EXECUTION_ID": "e-1"}, (None, None)),
    ],
)
def test_the_share_follows_from_the_option_and_the_platform(
    asked: object, environment: dict[str, str], expected: tuple[Shard | None, str | None]
) -> None:
    share = share_of(Settings(shard=asked), environment)  # type: ignore[arg-type]
    assert (share.shard, share.folder) == expected


@pytest.mark.parametrize("execution", ["../x", "a/b", "..", "x" * 300])
def test_an_execution_whose_id_is_no_name_is_wrong_usage(execution: str) -> None:
    with pytest.raises(UsageError, match="BACALHAU_EXECUTION_ID"):
        share_of(Settings(), OPS | {"BACALHAU_EXECUTION_ID": execution})


def test_who_says_that_each_sees_other_data_is_not_warned(
    yolo_bac: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACALHAU_PARTITION_COUNT", "2")
    monkeypatch.setenv("BACALHAU_PARTITION_INDEX", "1")
    assert "--shard none says so" in yolo_bac("--demo", "--project", tmp_path / "a").stderr
    assert "--shard" not in yolo_bac("--demo", "--project", tmp_path / "b", "--shard", "none").stderr
    for name in ("a", "b"):
        found = json.loads((tmp_path / name / "exp" / "part-1-of-2" / "status.json").read_bytes())
        assert found["counts"]["total"] == len(list(DEMO_SCENES.iterdir()))


def test_an_empty_shard_says_that_its_shard_is_empty(yolo_bac: Run, tmp_path: Path) -> None:
    scene = min(DEMO_SCENES.iterdir())
    empty = next(index for index in range(2) if not Shard(index, 2).holds(scene.name))
    ended = yolo_bac("--demo", "--source", scene, "--project", tmp_path, "--shard", f"{empty}/2")
    assert ended.code == 0
    words = f"Nothing to do: shard {empty} of 2 is empty, all 1 media of the source are in others."
    assert ended.stdout.splitlines()[0] == words


def test_an_ops_job_writes_below_its_execution(yolo_bac: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in OPS.items():
        monkeypatch.setenv(name, value)
    ended = yolo_bac("--demo", "--project", tmp_path, "--nosave", "--shard", "auto")
    assert ended.code == 0 and "there is nothing to share out" in ended.stderr
    assert (tmp_path / "exp" / "e-1b" / "predictions.json").is_file()
