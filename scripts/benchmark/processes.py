"""Whole commands: the program as a user starts it, and a peer."""

import os
import shlex
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from entrypoint.models.network import YOLOV5
from entrypoint.settings import Settings
from scripts.benchmark.folders import results

_POLL_SECONDS = 0.01


@dataclass(frozen=True)
class Ran:
    """What a process took: seconds on the clock, of all cores, until its first result; and its peak memory."""

    seconds: float
    cpu: float
    first: float | None
    peak_mb: float


@dataclass(frozen=True)
class Commands:
    """Runs commands with these settings in an environment; what they leave goes below `scratch`."""

    settings: Settings
    scratch: Path
    environment: dict[str, str]

    def program(self, source: Path) -> Ran:
        """`yolo-bac` on a folder."""
        settings = self.settings
        with results(self.scratch) as project:
            words = ["yolo-bac", "--weights", str(settings.weights), "--source", str(source), "--project", str(project)]
            words += ["--engine", settings.engine, "--device", settings.device]
            words += ["--batch-size", str(settings.batch_size or "auto")]
            words += ["--imgsz", ",".join(map(str, settings.imgsz))] if settings.imgsz else []
            return _run(words, self.environment, project)

    def peer(self, command: str, source: Path) -> Ran:
        """Another command line; {weights}, {source}, {project} and {imgsz} stand for ours."""
        with results(self.scratch) as project:
            side = max(self.settings.imgsz or YOLOV5.imgsz)
            places = {"weights": self.settings.weights, "source": source, "project": project, "imgsz": side}
            return _run([word.format_map(places) for word in shlex.split(command)], self.environment, None)


def _run(command: list[str], environment: dict[str, str], project: Path | None) -> Ran:
    """Run a command to its end; with a `project`, notice when the first record appears below it."""
    with tempfile.TemporaryFile() as said:
        began = time.perf_counter()
        child = os.posix_spawnp(
            command[0],
            command,
            environment,
            file_actions=[(os.POSIX_SPAWN_DUP2, said.fileno(), descriptor) for descriptor in (1, 2)],
        )
        first, peak = None, 0.0
        while os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            peak = max(peak, peak_mb(child))
            if project and first is None and next(project.glob("*/labels/*.json"), None):
                first = time.perf_counter() - began
            time.sleep(_POLL_SECONDS)
        _, status, usage = os.wait4(child, 0)
        seconds = time.perf_counter() - began
        if status:
            said.seek(0)
            raise RuntimeError(f"{shlex.join(command)}: exit {status}\n{said.read().decode(errors='replace')[-2000:]}")
    return Ran(seconds, usage.ru_utime + usage.ru_stime, first, peak)


def peak_mb(process: int) -> float:
    """The most memory of a process so far, in MB; what `wait4` tells counts the process that started it, too."""
    with suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1e3
    return 0.0
