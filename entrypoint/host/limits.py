"""What this process may use: CPUs, memory, processes and open files, as its cgroup and `ulimit` grant them.

Both versions of cgroups; in a container its own cgroup is the root of what it sees, elsewhere /proc tells which one.
"""

import os
import resource
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_CGROUP = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")
_UNLIMITED = 1 << 60  # what version 1 shows for no limit is near 2^63
# Beside the threads that compute: the main one, those that wait for signals and write the status, and one of ONNX
# Runtime's. Each thread that computes may have another that encodes its video.
_OWN_THREADS, _THREADS_EACH = 4, 2


def cpu_limit(root: Path = _CGROUP, own: Path = _OWN) -> float:
    """CPUs that may be used: the affinity mask, less where a cgroup quota is below it."""
    quotas = [*_quotas_v2(root, own), *_quotas_v1(root, own)]
    return min([float(len(os.sched_getaffinity(0))), *quotas])


def threads(root: Path = _CGROUP, own: Path = _OWN) -> int:
    """Threads that compute at once. More than the quota makes OpenMP spin away its own time slice."""
    most, _ = processes(root, own)
    granted = int(cpu_limit(root, own))
    return max(1, granted if most is None else min(granted, (most - _OWN_THREADS) // _THREADS_EACH))


def processes(root: Path = _CGROUP, own: Path = _OWN) -> tuple[int | None, int]:
    """How many processes and threads the cgroup may have, None where it has no limit, and how many it has now."""
    folders = [*_folders(root, own, ""), *_folders(root / "pids", own, "pids")]
    found = [tuple(_read(folder / f"pids.{name}") for name in ("max", "current")) for folder in folders]
    numbers = [(int(most), int(current or 0)) for most, current in found if most.isdigit()]
    return min(numbers, default=(None, 0))


def memory_limit(root: Path = _CGROUP, own: Path = _OWN) -> int | None:
    """Bytes that may be used before the kernel ends the process; None where there is no limit."""
    texts = [
        *(_read(folder / "memory.max") for folder in _folders(root, own, "")),
        *(_read(folder / "memory.limit_in_bytes") for folder in _folders(root / "memory", own, "memory")),
    ]
    limits = [int(text) for text in texts if text.isdigit() and int(text) < _UNLIMITED]
    return min(limits) if limits else None


def address_space() -> int | None:
    """Bytes that may be mapped (ulimit -v); None where there is no limit."""
    return _finite(resource.getrlimit(resource.RLIMIT_AS)[0])


def data() -> int | None:
    """Bytes of data that may be mapped (ulimit -d); None where there is no limit but that of `memory.guard`."""
    return _finite(resource.getrlimit(resource.RLIMIT_DATA)[1])


def open_files() -> int:
    """How many files may be open at once (ulimit -n)."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def raise_open_files() -> None:
    """Let this process have as many files open as it may grant itself."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _finite(limit: int) -> int | None:
    return None if limit == resource.RLIM_INFINITY else limit


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
