"""A control group with limits of CPU and memory, of version 1 or 2, for one process."""

import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.bacalhau_node.launch import Limits

_ROOT = Path("/sys/fs/cgroup")
_PERIOD = 100_000


@dataclass(frozen=True, slots=True)
class Cgroup:
    """`views`: its folders by where a container sees them; a process joins by writing its id to each `cgroup.procs`."""

    views: Mapping[Path, Path]
    _events: Path

    @classmethod
    def make(cls, limits: Limits) -> "Cgroup":
        """Raises OSError where that is not permitted."""
        quota = int(limits.cpus * _PERIOD)
        if (_ROOT / "cgroup.controllers").exists():
            folder = _new(_ROOT)
            group = cls({_ROOT: folder}, folder / "memory.events")
            settings = {folder / "memory.max": str(limits.memory), folder / "cpu.max": f"{quota} {_PERIOD}"}
        else:
            memory, cpu = _new(_ROOT / "memory"), _new(_ROOT / "cpu")
            group = cls({_ROOT / "memory": memory, _ROOT / "cpu": cpu}, memory / "memory.oom_control")
            settings = {
                memory / "memory.limit_in_bytes": str(limits.memory),
                cpu / "cpu.cfs_period_us": str(_PERIOD),
                cpu / "cpu.cfs_quota_us": str(quota),
            }
        try:
            for file, value in settings.items():
                _set(file, value)
        except OSError:
            group.remove()
            raise
        return group

    def join(self) -> None:
        """Move this process into it."""
        for view in self.views.values():
            _set(view / "cgroup.procs", str(os.getpid()))

    def oom_kills(self) -> int:
        """How many of its processes were killed because memory ran out."""
        events = dict(line.split() for line in self._events.read_text().splitlines())
        return int(events["oom_kill"])

    def remove(self) -> None:
        """Take it away, once its processes have ended."""
        for folder in self.views.values():
            for _ in range(100):
                try:
                    folder.rmdir()
                    break
                except OSError:  # busy: a process that has ended leaves a moment later
                    time.sleep(0.05)


def unavailable() -> str | None:
    """Why limits cannot be set on this machine; None when they can."""
    try:
        Cgroup.make(Limits()).remove()
    except OSError as error:
        return f"no control group can be made here: {error}"
    return None


def _new(parent: Path) -> Path:
    return Path(tempfile.mkdtemp(prefix="yolo-bac-", dir=parent))


def _set(file: Path, value: str) -> None:
    descriptor = os.open(file, os.O_WRONLY)  # never made: a file that is missing is a controller that is not there
    try:
        os.write(descriptor, value.encode())
    finally:
        os.close(descriptor)
