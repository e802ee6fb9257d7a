"""Jobs, their executions, and what befalls them: an end, a stop, the loss of the node, a retry, a duplicate."""

import os
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self

from tests.bacalhau_node.inputs import Source
from tests.bacalhau_node.launch import Launch, Limits, Mount, Runner, Running
from tests.bacalhau_node.publish import Publisher, publish

SHOWN_BYTES = 2048
STOP_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Version:
    """`variables`: a container is told its job, execution and partition; `always_outputs`: declared or not."""

    variables: bool
    always_outputs: bool


VERSIONS = {"1.3": Version(False, True), "1.5": Version(False, False), "1.9": Version(True, False)}
"""By a release that behaves so; the next entry begins with the release that changed it (1.4, 1.6.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a user submits. `inputs` go by target; `outputs`: whether -o outputs:/outputs is said."""

    arguments: tuple[str, ...] = ()
    inputs: Mapping[str, Source] = field(default_factory=dict)
    outputs: bool = True
    publisher: Publisher = "local"
    count: int = 1
    type: Literal["batch", "ops", "daemon"] = "batch"
    env: Mapping[str, str] = field(default_factory=dict)
    limits: Limits | None = None
    id: str = field(default_factory=lambda: f"j-{uuid.uuid4()}")


@dataclass(slots=True)
class Execution:
    """One attempt at one partition. `folder` holds all of it; `ended` says how, when it has."""

    job: Job
    index: int
    folder: Path
    running: Running
    mounts: Mapping[str, Mount]
    before: Mapping[str, object]
    started: float = field(default_factory=time.monotonic)
    code: int | None = None
    seconds: float = 0.0
    ended: Literal["completed", "cancelled", "lost", "out of memory"] | None = None
    published: Path | None = None
    dropped: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return self.folder.name

    @property
    def outputs(self) -> Path:
        """What is behind /outputs, where it is declared."""
        return self.folder / "results" / "outputs"

    @property
    def stdout(self) -> str:
        return self._shown("stdout")

    @property
    def stderr(self) -> str:
        return self._shown("stderr")

    def changed_inputs(self) -> list[str]:
        """What of the inputs is not as it was at the start; a job must leave them alone, mounted read-write or not."""
        after = _states(self.mounts)
        return sorted(path for path in {*self.before, *after} if self.before.get(path) != after.get(path))

    def finish(self, timeout: float = 300) -> Self:
        """Wait for its end and publish, whatever the exit code, but not after an out-of-memory kill or a timeout."""
        try:
            self.code = self.running.wait(timeout)
        except subprocess.TimeoutExpired:
            return self.stop()
        if self._close():
            self.ended = "out of memory"
            return self
        self.ended = "completed"
        (self.folder / "results" / "exitCode").write_text(str(self.code))
        for stream in ("stdout", "stderr"):
            (self.folder / "results" / stream).write_bytes((self.folder / stream).read_bytes())
        archive = self.folder.parent / f"{self.id}.tar.gz"
        self.dropped = publish(self.folder / "results", archive, self.job.publisher)
        self.published = archive
        return self

    def stop(self) -> Self:
        """SIGTERM, SIGKILL a second later: a cancel or a timeout. Nothing is published."""
        self.running.send(signal.SIGTERM)
        self._kill_after(STOP_SECONDS)
        self.ended = "cancelled"
        return self

    def lose(self, after: float = 0) -> Self:
        """The node vanishes, that many seconds from now: no last words, nothing published."""
        self._kill_after(after)
        self.ended = "lost"
        return self

    def _kill_after(self, seconds: float) -> None:
        try:
            self.code = self.running.wait(seconds)
        except subprocess.TimeoutExpired:
            self.running.send(signal.SIGKILL)
            self.code = self.running.wait(None)
        self._close()

    def _close(self) -> bool:
        self.seconds = time.monotonic() - self.started
        return self.running.close()

    def _shown(self, stream: str) -> str:
        with (self.folder / stream).open("rb") as file:
            return file.read(SHOWN_BYTES).decode("utf-8", "replace")


class Node:
    """Runs the executions of jobs, below a folder of its own."""

    def __init__(self, folder: Path, runner: Runner, version: Version = VERSIONS["1.9"]) -> None:
        self._folder, self._runner, self._version = folder, runner, version
        self._cids: dict[Source, Mount] = {}
        self._lock = threading.Lock()

    def start(self, job: Job, index: int = 0) -> Execution:
        """Prepare the inputs of a partition and start it, with an empty /outputs. A retry is just another start."""
        folder = self._folder / f"e-{uuid.uuid4()}"
        (folder / "results" / "outputs").mkdir(parents=True, mode=0o755)
        mounts = {target: self._prepare(job, source, index, folder) for target, source in job.inputs.items()}
        before = _states(mounts)
        if job.outputs or self._version.always_outputs:
            mounts.setdefault("/outputs", Mount(folder / "results" / "outputs"))
        environment = dict(job.env) | (_variables(job, index, folder.name) if self._version.variables else {})
        launch = Launch(folder, job.arguments, environment, mounts, job.limits)
        return Execution(job, index, folder, self._runner.start(launch), mounts, before)

    def run(self, job: Job, index: int = 0) -> Execution:
        """Start a partition and wait for its end."""
        return self.start(job, index).finish()

    def run_all(self, job: Job) -> list[Execution]:
        """One execution a partition, two at a time."""
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(lambda index: self.run(job, index), range(job.count)))

    def forget(self, source: Source) -> None:
        """What happens to a CID's copy when the first job that used it ends: it vanishes under all others."""
        for folder, folders, files in os.walk(self._cids[source].path, topdown=False):
            for name in files:
                Path(folder, name).unlink()
            for name in folders:
                path = Path(folder, name)
                path.unlink() if path.is_symlink() else path.rmdir()

    def _prepare(self, job: Job, source: Source, index: int, folder: Path) -> Mount:
        with self._lock:
            if source in self._cids:
                return self._cids[source]
            place = (self._folder / "cids" if source.shared else folder / "inputs") / str(uuid.uuid4())
            place.mkdir(parents=True)
            mount = source.prepare(place, index, job.count)
            if source.shared:
                self._cids[source] = mount
            return mount


def _variables(job: Job, index: int, execution: str) -> dict[str, str]:
    count = job.count if job.type == "batch" else 0
    return {
        "BACALHAU_JOB_ID": job.id,
        "BACALHAU_EXECUTION_ID": execution,
        "BACALHAU_JOB_TYPE": job.type,
        "BACALHAU_PARTITION_INDEX": str(index),
        "BACALHAU_PARTITION_COUNT": str(count),
    }


def _states(mounts: Mapping[str, Mount]) -> dict[str, object]:
    """Size, mode and time of every file and folder of the inputs."""
    inputs = [mount.path for target, mount in mounts.items() if target != "/outputs"]
    paths = [path for root in inputs for path in (root, *root.rglob("*"))]
    stats = ((str(path), path.lstat()) for path in paths)
    return {path: (stat.st_size, stat.st_mode, stat.st_mtime_ns) for path, stat in stats}
