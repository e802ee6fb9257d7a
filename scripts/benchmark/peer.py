"""The command and a peer, in turn, on the same source."""

import statistics
from pathlib import Path
from typing import Any

import click

from scripts.benchmark.processes import Commands, Ran


def beside(commands: Commands, command: str, sources: dict[str, Path], rounds: int) -> dict[str, Any]:
    """Run both on each of the sources, which go by what they are; print a line for each, and give its figures."""
    figures: dict[str, Any] = {}
    click.echo("\nBeside the peer   s     core-s   MB    the peer: s   core-s   MB   our time of its, pair by pair")
    for what, source in sources.items():
        pairs = [(commands.program(source), commands.peer(command, source)) for _ in range(rounds)]
        ours, theirs = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        ratios = [our.seconds / their.seconds for our, their in pairs]
        figures[what] = {
            "seconds": seconds(ours),
            "core_seconds": _cores(ours),
            "peak_mb": peak(ours),
            "peer_seconds": seconds(theirs),
            "peer_core_seconds": _cores(theirs),
            "peer_peak_mb": peak(theirs),
            "ratios": ratios,
            "ratio": statistics.median(ratios),
        }
        click.echo(
            f"  {what:>13}{seconds(ours):8.2f}{_cores(ours):8.2f}{peak(ours):7.0f}"
            f"{seconds(theirs):15.2f}{_cores(theirs):8.2f}{peak(theirs):7.0f}"
            f"   {' '.join(f'{ratio:.2f}' for ratio in ratios)}: {statistics.median(ratios):.2f}"
        )
    return figures


def seconds(runs: list[Ran]) -> float:
    """The median of what they took on the clock."""
    return statistics.median(run.seconds for run in runs)


def peak(runs: list[Ran]) -> float:
    """The median of their peak memory, in MB."""
    return statistics.median(run.peak_mb for run in runs)


def _cores(runs: list[Ran]) -> float:
    return statistics.median(run.cpu for run in runs)
