"""The command as a user runs it: its start, its growth with the images, and a peer beside it."""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from scripts.benchmark.folders import copies
from scripts.benchmark.processes import Commands, Ran

_FEW = 2  # what a start is measured with


class Runs:
    """One command and one set of images. Each measurement prints its lines and gives its figures."""

    def __init__(self, commands: Commands, images: Sequence[Path], count: int, rounds: int) -> None:
        """`images` are taken in turn, up to `count`."""
        self._commands, self._images, self._count, self._rounds = commands, images, count, rounds
        self._folder = copies(commands.scratch / "all", images, count)
        self._few = copies(commands.scratch / "few", images, _FEW)

    def start(self) -> dict[str, Any]:
        """The command on two images, from its start."""
        runs = [self._commands.program(self._few) for _ in range(self._rounds)]
        first = statistics.median(run.first or run.seconds for run in runs)
        figures = {"seconds": _seconds(runs), "first_result": first, "peak_mb": _peak(runs)}
        click.echo(
            f"\nThe command on {_FEW} images: {figures['seconds']:.2f} s, first result after {first:.2f} s, "
            f"peak memory {figures['peak_mb']:.0f} MB"
        )
        return figures

    def growth(self) -> dict[str, Any]:
        """The command on all images, and on ten times as many."""
        once = self._count
        tenfold = copies(self._commands.scratch / "tenfold", self._images, 10 * once)
        runs = [(self._commands.program(self._folder), self._commands.program(tenfold)) for _ in range(self._rounds)]
        figures: dict[str, Any] = {}
        click.echo("\nThe command on           images   ms an image   peak memory, MB")
        for count, side in ((once, 0), (10 * once, 1)):
            taken = [pair[side] for pair in runs]
            figures[str(count)] = {"ms": _seconds(taken) / count * 1e3, "peak_mb": _peak(taken)}
            click.echo(f"{count:31}{figures[str(count)]['ms']:14.2f}{figures[str(count)]['peak_mb']:18.0f}")
        further = [(more.seconds - less.seconds) / (9 * once) * 1e3 for less, more in runs]
        figures["ms_each_further"] = statistics.median(further)
        click.echo(f"  each further image {figures['ms_each_further']:.2f} ms")
        return figures

    def beside(self, command: str) -> dict[str, Any]:
        """The command and a peer in turn, on all images and on two."""
        figures: dict[str, Any] = {}
        click.echo("\nBeside the peer   s     core-s   MB    the peer: s   core-s   MB   our time of its, pair by pair")
        for folder, count in ((self._folder, self._count), (self._few, _FEW)):
            pairs = [
                (self._commands.program(folder), self._commands.peer(command, folder)) for _ in range(self._rounds)
            ]
            ours, theirs = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
            ratios = [our.seconds / their.seconds for our, their in pairs]
            figures[str(count)] = {
                "seconds": _seconds(ours),
                "core_seconds": _cores(ours),
                "peak_mb": _peak(ours),
                "peer_seconds": _seconds(theirs),
                "peer_core_seconds": _cores(theirs),
                "peer_peak_mb": _peak(theirs),
                "ratios": ratios,
                "ratio": statistics.median(ratios),
            }
            click.echo(
                f"  {count:6} images{_seconds(ours):8.2f}{_cores(ours):8.2f}{_peak(ours):7.0f}"
                f"{_seconds(theirs):15.2f}{_cores(theirs):8.2f}{_peak(theirs):7.0f}"
                f"   {' '.join(f'{ratio:.2f}' for ratio in ratios)}: {statistics.median(ratios):.2f}"
            )
        return figures


def _seconds(runs: list[Ran]) -> float:
    return statistics.median(run.seconds for run in runs)


def _cores(runs: list[Ran]) -> float:
    return statistics.median(run.cpu for run in runs)


def _peak(runs: list[Ran]) -> float:
    return statistics.median(run.peak_mb for run in runs)
