"""Bacalhau's own client: jobs go in by it, and what became of them comes out."""

import json
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TERMINAL = {"Completed", "Failed", "Stopped"}
_SECONDS = 0.5  # between two looks at a job
_EXECUTION_STATES = {5: "Running", 6: "Running", 7: "Publishing", 9: "Completed", 10: "Failed", 11: "Cancelled"}


class ClientError(Exception):
    """The client ended with an error; its own words."""


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution of a job: where it ran, and the beginnings of its streams, as `job describe` has them."""

    id: str
    node: str
    state: str
    partition: int
    code: int | None
    stdout: str
    stderr: str
    why: str


@dataclass(frozen=True, slots=True)
class Described:
    """A job as the orchestrator knows it."""

    id: str
    state: str
    why: str
    executions: tuple[Execution, ...]

    @property
    def completed(self) -> list[Execution]:
        return sorted((one for one in self.executions if one.state == "Completed"), key=lambda one: one.partition)

    def shown(self) -> str:
        """For the message of a check that fails."""
        lines = [f"{one.state} {one.code} {one.why} {one.stderr:.600}" for one in self.executions]
        return "\n".join([f"{self.id} {self.state} {self.why}", *lines])


def call(*words: str, seconds: float = 300) -> str:
    """What the client prints. Raises ClientError."""
    done = subprocess.run(["bacalhau", *words], capture_output=True, text=True, check=False, timeout=seconds)
    if done.returncode:
        raise ClientError(f"bacalhau {' '.join(words)}: {done.stderr.strip()} {done.stdout.strip()}")
    return done.stdout


def submit(kind: str, *words: str) -> str:
    """Submit by `docker run` or `job run` with these words, and give the job's id at once."""
    printed = call(*kind.split(), "--id-only", "--wait=false", *words)
    found = re.findall(r"\bj-[0-9a-f-]{36}", printed)
    if not found:
        raise ClientError(f"no id of a job in {printed!r}")
    return str(found[-1])


def describe(job: str) -> Described:
    """The job as it is now."""
    told = json.loads(call("job", "describe", "--output", "json", job))
    items = (told.get("Executions") or {}).get("Items") or []
    state = told["Job"]["State"]
    return Described(job, state["StateType"], state.get("Message", ""), tuple(map(_execution, items)))


def _execution(item: dict[str, Any]) -> Execution:
    output, state = item.get("RunOutput") or {}, item["ComputeState"]
    kind = state["StateType"]  # a number, while a job's is a word
    return Execution(
        id=item["ID"],
        node=item["NodeID"],
        state=_EXECUTION_STATES.get(kind, str(kind)),
        partition=item.get("PartitionIndex", 0),
        code=output.get("ExitCode"),
        stdout=output.get("Stdout", ""),
        stderr=output.get("stderr", ""),
        why=state.get("Message", ""),
    )


def wait(job: str, seconds: float = 600) -> Described:
    """The job when it has ended. Raises ClientError when that takes longer."""
    end = time.monotonic() + seconds
    while (described := describe(job)).state not in _TERMINAL:
        if time.monotonic() > end:
            stop(job)
            raise ClientError(f"has not ended within {seconds:.0f} s: {described.shown()}")
        time.sleep(_SECONDS)
    return described


def stop(job: str) -> None:
    """Stop a job; one that has ended already stays as it is."""
    subprocess.run(["bacalhau", "job", "stop", "--quiet", job], capture_output=True, check=False)


def get(job: str, folder: Path, *, raw: bool = False) -> Path:
    """Fetch the results of a job into a new folder below `folder`. Raises ClientError."""
    results = folder / job
    results.mkdir()
    call("job", "get", *(["--raw"] if raw else []), "--output-dir", str(results), job)
    return results
