"""One process on all cores beside several that share nothing, a core each: the job without its network, as on a GPU.

Each process is this module as a program: it makes ready, and does the job on its images for every line that it is sent,
at the same time as the others. What counts is the seconds of the slowest of them.
"""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import click

from entrypoint.cli.run import quiet_libraries
from entrypoint.settings import Settings

_BATCH, _LANES = 32, 2
_KINDS = {"annotated images": "", "--nosave": "nosave"}


def measure(settings: Settings, scratch: Path, images: Sequence[Path], count: int, rounds: int) -> dict[str, Any]:
    """Images a second of `count` images, in turn with annotated images and with `--nosave`."""
    from scripts.benchmark.folders import copies

    cores = sorted(os.sched_getaffinity(0))
    shares = ([cores], [[core] for core in cores])[: len(cores)]  # which are the same on a single core
    figures: dict[str, Any] = {}
    click.echo(f"\nThe job without network in batches of {_BATCH}, on {len(cores)} cores: images/s, and --nosave")
    with ExitStack() as stack:
        teams = []
        for number, share in enumerate(shares):
            each = max(1, count // len(share))
            folders = [copies(scratch / f"several-{number}-{one}", images, each) for one in range(len(share))]
            members = [
                stack.enter_context(_Member.started(settings, scratch, folder, on))
                for folder, on in zip(folders, share, strict=True)
            ]
            teams.append((members, each * len(share)))
        rates: dict[tuple[int, str], list[float]] = {}
        for _ in range(rounds):
            for members, of in teams:
                for kind in _KINDS.values():
                    rates.setdefault((len(members), kind), []).append(of / _together(members, kind))
    for members, _ in teams:
        found = {name: rates[len(members), kind] for name, kind in _KINDS.items()}
        figures[str(len(members))] = {name: {"rate": statistics.median(r), "rounds": r} for name, r in found.items()}
        said = "   ".join(f"{statistics.median(r):.0f} ({' '.join(f'{one:.0f}' for one in r)})" for r in found.values())
        click.echo(f"  {len(members)} process{'es' * (len(members) > 1):4}{said}")
    return figures


def _together(members: Sequence["_Member"], kind: str) -> float:
    """Seconds that the slowest of them took."""
    for member in members:
        member.tell(kind)
    return max(member.seconds() for member in members)


@dataclass(frozen=True)
class _Member:
    """A process that waits to be told."""

    process: "subprocess.Popen[str]"

    @classmethod
    @contextmanager
    def started(cls, settings: Settings, scratch: Path, folder: Path, cores: Sequence[int]) -> Iterator[Self]:
        """Ready, on these cores, with the images of a folder."""
        plain = {"weights": settings.weights, "imgsz": settings.imgsz, "device": settings.device}
        plain |= {"engine": settings.engine}
        told = json.dumps({**plain, "scratch": str(scratch), "folder": str(folder), "cores": list(cores)})
        command = [sys.executable, "-m", "scripts.benchmark.several", told]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            member = cls(process)
            try:
                member.seconds()
                yield member
            finally:
                process.communicate()

    def tell(self, kind: str) -> None:
        """Begin the job."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{kind}\n")
        self.process.stdin.flush()

    def seconds(self) -> float:
        """What it has just done took, once that is done. Raises RuntimeError where it has ended."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"a process of the measurement has ended: exit {self.process.wait()}")
        return float(line)


def main(told: dict[str, Any]) -> None:
    """A member's whole life."""
    os.sched_setaffinity(0, told["cores"])
    quiet_libraries()
    from entrypoint.detect.devices import devices_for  # after the libraries' settings
    from entrypoint.detect.loading import load
    from entrypoint.sources.scan import scan
    from entrypoint.weights.find import find_weights
    from scripts.benchmark.engines import Replay, with_engine
    from scripts.benchmark.workload import Workload

    settings = Settings(
        weights=told["weights"], imgsz=tuple(told["imgsz"]), device=told["device"], engine=told["engine"]
    )
    media = scan(told["folder"])
    loaded = load(find_weights(settings.weights, ()), devices_for(settings), settings, media)
    lanes = (with_engine(loaded.lanes[0], Replay)[0],) * _LANES
    work = Workload(replace(loaded, batch_size=_BATCH), media, settings, Path(told["scratch"]))

    def job(kind: str) -> None:
        span = work.job(lanes=lanes, nosave=kind == "nosave")
        print(span.wall / 1e3 * len(media), flush=True)

    job("")  # what it replays from now on
    for line in sys.stdin:
        job(line.strip())


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
