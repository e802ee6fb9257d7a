"""What is measured within this process, in rounds that take one of each in turn, and what is said of it."""

import os
import platform
import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import click

from entrypoint.detect.detector import Detector
from entrypoint.detect.devices import devices_for
from entrypoint.detect.loading import load
from entrypoint.detectionsettings import Engine
from entrypoint.engines.base import Pixels
from entrypoint.host import limits
from entrypoint.results.runstatus import versions
from entrypoint.settings import Settings
from entrypoint.sources.scan import scan
from entrypoint.weights.find import find_weights
from scripts.benchmark import lock, several, stages
from scripts.benchmark.clock import Span, median
from scripts.benchmark.engines import Meter, Replay, with_engine
from scripts.benchmark.folders import copies
from scripts.benchmark.workload import Workload


class Bench:
    """One network and one set of images. Each measurement prints its lines and gives its figures."""

    def __init__(self, settings: Settings, scratch: Path, images: Sequence[Path], count: int, rounds: int) -> None:
        """`images` are taken in turn, up to `count`."""
        self._settings, self._scratch, self._images, self._rounds = settings, scratch, images, rounds
        media = scan(str(copies(scratch / "many", images, count)))
        self._devices = devices_for(settings)
        loaded = load(find_weights(settings.weights, ()), self._devices, settings, media)
        self._threads = limits.threads() // len(loaded.lanes)
        self._work = Workload(loaded, media, settings, scratch)

    def measurements(self) -> dict[str, Callable[[], dict[str, Any]]]:
        """All of them, by name."""
        return {
            "machine": self.machine,
            "stages": self.stages,
            "whole": self.whole,
            "scaling": self.scaling,
            "lock": self.lock,
            "processes": self.processes,
        }

    def machine(self) -> dict[str, Any]:
        """What is measured, and where."""
        loaded = self._work.loaded
        facts = {
            "processor": _processor(),
            "cpus": limits.cpu_limit(),
            "device": loaded.devices,
            "engine": loaded.lanes[0].engine.name,
            "lanes": len(loaded.lanes),
            "batch_size": loaded.batch_size,
            "images": len(self._work.media),
            "distinct_images": len(self._images),
            "versions": versions(),
        }
        click.echo(
            f"{facts['cpus']:g} CPUs ({facts['processor']}), device {facts['device']}, engine {facts['engine']}, "
            f"{facts['lanes']} lanes, batches of {facts['batch_size']}; {facts['images']} images of "
            f"{facts['distinct_images']}, {self._rounds} rounds"
        )
        return facts

    def stages(self) -> dict[str, Any]:
        """Each stage by itself, one image at a time, on one thread."""
        threads = self._threads
        found = stages.stages(self._work.loaded, self._images, self._scratch, self._rounds)
        click.echo(f"\nStages, one image at a time, ms an image ({threads} thread for the network)")
        for name, span in found.items():
            click.echo(f"  {name:12}{span.wall:8.2f}")
        return {name: span.wall for name, span in found.items()}

    def whole(self) -> dict[str, Any]:
        """The network alone and the job around it, in turn; and the job without the network."""
        work, loaded = self._work, self._work.loaded
        batches = stages.uploaded(loaded, self._images)
        alone = self._one_at_a_time()
        still = self._replaying(len(loaded.lanes))
        work.job(lanes=still)  # what it replays from now on
        lane, meter = with_engine(loaded.lanes[0], Meter)
        metered = (lane,) * len(loaded.lanes) if self._can_meter() else ()
        measured: dict[str, Callable[[], Span]] = {
            "network alone": lambda: stages.forward(batches, len(loaded.lanes), loaded.batch_size, len(work.media)),
            "network alone, one at a time": lambda: self._with_all_cores(
                lambda: stages.forward(alone, 1, loaded.batch_size, len(work.media))
            ),
            "whole job": lambda: work.job(lanes=metered),
            "whole job, --nosave": lambda: work.job(lanes=metered, nosave=True),
            "job without network": lambda: work.job(lanes=still),
            "job without network, --nosave": lambda: work.job(lanes=still, nosave=True),
        }
        taken: dict[str, list[Span]] = {name: [] for name in measured}
        beside: dict[str, list[float]] = {name: [] for name in measured}
        for _ in range(self._rounds):
            for name, measure in measured.items():
                span = measure()
                taken[name].append(span)
                if network := meter.take():
                    beside[name].append(span.cpu - network / len(work.media))
        return self._say_whole(taken, beside)

    def _say_whole(self, taken: dict[str, list[Span]], beside: dict[str, list[float]]) -> dict[str, Any]:
        click.echo(
            "\nAn image in a run                  ms   core-ms   images/s   of the network alone   core-ms beside it"
        )
        floor = [span.wall for span in taken["network alone"]]
        figures: dict[str, Any] = {}
        for name, spans in taken.items():
            span = median(spans)
            ratio = statistics.median(one.wall / least for one, least in zip(spans, floor, strict=True))
            figures[name] = {"ms": span.wall, "core_ms": span.cpu, "ratio": ratio, "rounds": [s.wall for s in spans]}
            line = f"  {name:30}{span.wall:6.2f}{span.cpu:10.2f}{1e3 / span.wall:11.1f}{ratio:17.3f}"
            if beside[name]:
                figures[name]["core_ms_beside_network"] = statistics.median(beside[name])
                line += f"{figures[name]['core_ms_beside_network']:22.2f}"
            click.echo(line)
        figures["bound"] = self._bound(median(taken["network alone"]), median(taken["job without network"]))
        click.echo(f"  {figures['bound']}")
        return figures

    def _replaying(self, count: int) -> tuple[Detector, ...]:
        return (with_engine(self._work.loaded.lanes[0], Replay)[0],) * count

    def _can_meter(self) -> bool:
        """Whether the network's work is that of the thread that asks for it."""
        return self._threads == 1 and not self._work.loaded.lanes[0].device.on_gpu

    def _one_at_a_time(self) -> list[tuple[Detector, Pixels]]:
        """Batches for the same network in one lane, which has all the cores."""
        engine = cast("Engine", self._work.loaded.lanes[0].engine.name)
        settings = replace(self._settings, engine=engine)
        loaded = load(find_weights(settings.weights, ()), self._devices, settings, self._work.media[:1])
        self._share_cores(self._threads)
        return stages.uploaded(loaded, self._images)

    def _with_all_cores(self, measure: Callable[[], Span]) -> Span:
        self._share_cores(limits.threads())
        try:
            return measure()
        finally:
            self._share_cores(self._threads)

    def _share_cores(self, threads: int) -> None:
        self._work.loaded.lanes[0].engine.set_threads(threads)

    def _bound(self, network: Span, rest: Span) -> str:
        cores = limits.cpu_limit()
        if self._work.loaded.lanes[0].device.on_gpu:
            busy = rest.cpu / cores
            who = "the cores" if busy > network.wall else "the network"
            return f"bounded by {who}: {network.wall:.2f} ms on the GPU, {busy:.2f} ms on {cores:g} CPUs beside it"
        share = network.cpu / (network.cpu + rest.cpu)
        who = "the network" if share > 0.5 else "what is around the network"
        return f"bounded by {who}: it has {max(share, 1 - share):.0%} of the cores' work"

    def scaling(self) -> dict[str, Any]:
        """The job without its network on fewer cores, with and without annotated images."""
        mine = sorted(os.sched_getaffinity(0))
        counts = [count for count in (1, 2, 4, 8, 16, 32, 64) if count <= min(len(mine), limits.cpu_limit())]
        still = {count: self._replaying(count) for count in counts}
        taken: dict[tuple[int, bool], list[Span]] = {
            (count, nosave): [] for count in counts for nosave in (False, True)
        }
        for round_number in range(self._rounds + 1):
            for count, nosave in taken:
                os.sched_setaffinity(0, mine[:count])
                try:
                    span = self._work.job(lanes=still[count], threads=count, nosave=nosave)
                finally:
                    os.sched_setaffinity(0, mine)
                if round_number:  # the first one learns what to replay
                    taken[count, nosave].append(span)
        click.echo("\nThe job without network, on so many cores: images/s, core-ms an image; the same with --nosave")
        figures: dict[str, Any] = {}
        for count in counts:
            full, records = median(taken[count, False]), median(taken[count, True])
            figures[str(count)] = {
                "images_per_second": 1e3 / full.wall,
                "core_ms": full.cpu,
                "nosave_images_per_second": 1e3 / records.wall,
                "nosave_core_ms": records.cpu,
            }
            click.echo(
                f"  {count:3}{1e3 / full.wall:10.0f}{full.cpu:10.2f}{1e3 / records.wall:12.0f}{records.cpu:10.2f}"
            )
        return figures

    def lock(self) -> dict[str, Any]:
        """How long the job around the network holds Python's lock."""
        return lock.measure(self._work, self._replaying(1)[0], self._rounds)

    def processes(self) -> dict[str, Any]:
        """One process on all cores, and several that share nothing."""
        return several.measure(self._settings, self._scratch, self._images, len(self._work.media), self._rounds)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
