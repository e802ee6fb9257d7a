"""What a node hands to a runner, and what it can do with what runs."""

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Mount:
    """A file or folder of the node to be seen at a target; with `capacity`, an empty file system of so many bytes."""

    path: Path
    read_only: bool = False
    capacity: int | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """CPUs and bytes of memory; by default what a job gets that asks for nothing."""

    cpus: float = 0.5
    memory: int = 512_000_000


@dataclass(frozen=True, slots=True)
class Launch:
    """One start of the program. `folder` takes the files `stdout` and `stderr`; `mounts` go by target."""

    folder: Path
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    mounts: Mapping[str, Mount]
    limits: Limits | None = None
    network: bool = False


class Running(Protocol):
    """A program that was started."""

    def wait(self, seconds: float | None) -> int:
        """Its exit code, 128 + n for signal n. Raises subprocess.TimeoutExpired when it is still running by then."""

    def send(self, what: signal.Signals) -> None:
        """Send a signal; nothing happens when it has ended."""

    def close(self) -> bool:
        """Clear away what the runner made for it, once it has ended; whether memory ran out and it was killed."""


class Runner(Protocol):
    """A way to run the program."""

    def unavailable(self) -> str | None:
        """Why this machine cannot run it this way; None when it can."""

    def start(self, launch: Launch) -> Running:
        """Start the program."""
