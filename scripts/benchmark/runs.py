"""The command as a user runs it: its start, its growth with the images, and a peer beside it."""

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from scripts.benchmark import peer
from scripts.benchmark.folders import copies
from scripts.benchmark.processes import Commands

_FEW = 2  # what a start is measured with


class Runs:
    """One command and one set of images. Each measurement prints its lines and gives its figures."""

    def __init__(self, commands: Commands, images: Sequence[Path], count: int, rounds: int) -> None:
        """`images` are taken in turn, up to `count`."""
        self._commands, self._images, self._count, self._rounds = commands, images, count, rounds
        self._folder = copies(commands.scratch / "all", images, count)
        self._few = copies(commands.scratch / "few", images, _FEW)

    def measurements(self, command: str | None, *, growth: bool) -> dict[str, Callable[[], dict[str, Any]]]:
        """All that are asked for, by name; `command`: of a peer."""
        found: dict[str, Callable[[], dict[str, Any]]] = {"start": self.start}
        if growth:
            found["growth"] = self.growth
        if command:
            found["peer"] = lambda: self.beside(command)
        return found

    def start(self) -> dict[str, Any]:
        """The command on two images, from its start."""
        runs = [self._commands.program(self._few) for _ in range(self._rounds)]
        first = statistics.median(run.first or run.seconds for run in runs)
        figures = {"seconds": peer.seconds(runs), "first_result": first, "peak_mb": peer.peak(runs)}
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
            figures[str(count)] = {"ms": peer.seconds(taken) / count * 1e3, "peak_mb": peer.peak(taken)}
            click.echo(f"{count:31}{figures[str(count)]['ms']:14.2f}{figures[str(count)]['peak_mb']:18.0f}")
        further = [(more.seconds - less.seconds) / (9 * once) * 1e3 for less, more in runs]
        figures["ms_each_further"] = statistics.median(further)
        click.echo(f"  each further image {figures['ms_each_further']:.2f} ms")
        return figures

    def beside(self, command: str) -> dict[str, Any]:
        """The command and a peer in turn, on all images and on two."""
        sources = {f"{self._count} images": self._folder, f"{_FEW} images": self._few}
        return peer.beside(self._commands, command, sources, self._rounds)
