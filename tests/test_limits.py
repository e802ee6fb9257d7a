"""The cgroup's CPU quota, in both versions of cgroups."""

import os
from pathlib import Path

import pytest

from entrypoint.limits import cpu_limit, threads

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
