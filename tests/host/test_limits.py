"""The cgroup's CPU quota and memory limit, in both versions of cgroups."""

import os
from pathlib import Path

import pytest

from entrypoint.host.limits import cpu_limit, memory_limit, threads

HOST = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({}, HOST),
        ({"cpu.max": "max 100000"}, HOST),
        ({"cpu.max": "50000 100000"}, 0.5),
        ({"cpu.max": "100000 100000"}, 1),
        ({"cpu.max": "99900000 100000"}, HOST),
        ({"cpu.max": "rubbish"}, HOST),
        ({"cpu.max": ""}, HOST),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, HOST),
        ({"cpu/cpu.cfs_quota_us": "50000", "cpu/cpu.cfs_period_us": "100000"}, 0.5),
        ({"cpu/cpu.cfs_quota_us": "50000", "cpu/cpu.cfs_period_us": "0"}, HOST),
    ],
)
def test_quota(tmp_path: Path, files: dict[str, str], limit: float) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    assert cpu_limit(tmp_path) == limit
    assert threads(tmp_path) == max(1, int(limit))


@pytest.mark.parametrize(
    ("own", "files", "limit"),
    [
        ("", {}, None),
        ("", {"memory.max": "max"}, None),
        ("", {"memory.max": "512000000"}, 512_000_000),
        ("", {"memory.max": "rubbish"}, None),
        ("", {"memory/memory.limit_in_bytes": "9223372036854771712"}, None),
        ("", {"memory/memory.limit_in_bytes": "511999488"}, 511_999_488),
        # A service's own group, below the root that shows no limit.
        ("0::/a/b\n", {"a/b/memory.max": "4096", "a/memory.max": "max"}, 4096),
        ("0::/a/b\n", {"a/b/memory.max": "4096", "a/memory.max": "1024"}, 1024),
        ("4:memory:/job\n3:cpu,cpuacct:/x\n", {"memory/job/memory.limit_in_bytes": "2048"}, 2048),
        # A container on version 1: /proc tells the host's path, which is not there; its own group is the root.
        ("4:memory:/docker/1f\n", {"memory/memory.limit_in_bytes": "2048"}, 2048),
        ("0::/../../a\n", {"memory.max": "2048"}, 2048),
        ("nonsense", {"memory.max": "2048"}, 2048),
    ],
)
def test_memory_limit(tmp_path: Path, own: str, files: dict[str, str], limit: int | None) -> None:
    root = tmp_path / "cgroup"
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text + "\n")
    (tmp_path / "own").write_text(own)
    assert memory_limit(root, tmp_path / "own") == limit


def test_a_quota_above_the_own_group_counts(tmp_path: Path) -> None:
    (tmp_path / "own").write_text("0::/a/b\n")
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "cpu.max").write_text("50000 100000")
    assert cpu_limit(tmp_path, tmp_path / "own") == 0.5
