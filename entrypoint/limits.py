"""What this process may use: the CPUs its cgroup grants, however many the host shows."""

import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def cpu_limit(root: Path = _CGROUP) -> float:
    """CPUs that may be used: the affinity mask, less where a cgroup quota (v2 or v1) is below it."""
    cpus = float(len(os.sched_getaffinity(0)))
    quota = _quota_v2(root) or _quota_v1(root)
    return min(cpus, quota) if quota else cpus


def threads(root: Path = _CGROUP) -> int:
    """Threads that compute at once. More than the quota makes OpenMP spin away its own time slice."""
    return max(1, int(cpu_limit(root)))


def _quota_v2(root: Path) -> float | None:
    quota, _, period = _read(root / "cpu.max").partition(" ")
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() and int(period) else None


def _quota_v1(root: Path) -> float | None:
    quota, period = (_read(root / "cpu" / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() and int(period) else None


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""
