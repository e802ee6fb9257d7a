"""What this process may use: the CPUs and the memory that its cgroup grants, however much the host shows.

Both versions of cgroups; in a container its own cgroup is the root of what it sees, elsewhere /proc tells which one.
"""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_CGROUP = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")
_UNLIMITED = 1 << 60  # what version 1 shows for no limit is near 2^63


def cpu_limit(root: Path = _CGROUP, own: Path = _OWN) -> float:
    """CPUs that may be used: the affinity mask, less where a cgroup quota is below it."""
    quotas = [*_quotas_v2(root, own), *_quotas_v1(root, own)]
    return min([float(len(os.sched_getaffinity(0))), *quotas])


def threads(root: Path = _CGROUP, own: Path = _OWN) -> int:
    """Threads that compute at once. More than the quota makes OpenMP spin away its own time slice."""
    return max(1, int(cpu_limit(root, own)))


def memory_limit(root: Path = _CGROUP, own: Path = _OWN) -> int | None:
    """Bytes that may be used before the kernel ends the process; None where there is no limit."""
    texts = [
        *(_read(folder / "memory.max") for folder in _folders(root, own, "")),
        *(_read(folder / "memory.limit_in_bytes") for folder in _folders(root / "memory", own, "memory")),
    ]
    limits = [int(text) for text in texts if text.isdigit() and int(text) < _UNLIMITED]
    return min(limits) if limits else None


def _quotas_v2(root: Path, own: Path) -> Iterator[float]:
    for folder in _folders(root, own, ""):
        quota, _, period = _read(folder / "cpu.max").partition(" ")
        yield from _ratio(quota, period)


def _quotas_v1(root: Path, own: Path) -> Iterator[float]:
    for folder in _folders(root / "cpu", own, "cpu"):
        yield from _ratio(*(_read(folder / f"cpu.cfs_{name}_us") for name in ("quota", "period")))


def _ratio(quota: str, period: str) -> Iterator[float]:
    if quota.isdigit() and period.isdigit() and int(quota) and int(period):
        yield int(quota) / int(period)


def _folders(root: Path, own: Path, controller: str) -> Iterator[Path]:
    """The root, and the folders from there to this process's cgroup, as far as they can be seen."""
    yield root
    for line in _read(own).splitlines():
        _, _, named = line.partition(":")
        controllers, _, path = named.partition(":")
        if controller in controllers.split(","):
            relative = PurePosixPath(path.lstrip("/"))
            yield from (root / folder for folder in (relative, *relative.parents) if folder.name not in ("", ".."))


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""
