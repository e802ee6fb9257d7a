"""A video on its way: the network alone, decoding and encoding alone, and the job that does all of it at once."""

import statistics
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import click

from entrypoint.detect.devices import devices_for
from entrypoint.detect.loading import load
from entrypoint.host import limits
from entrypoint.results.videoencoder import VideoEncoder
from entrypoint.sources.extent import Extent
from entrypoint.sources.medium import Frame
from entrypoint.sources.moving import PlacedFrame, VideoMedium
from entrypoint.sources.scan import scan
from entrypoint.weights.find import find_weights
from scripts.benchmark import peer, stages
from scripts.benchmark.clock import Span, median, timed
from scripts.benchmark.folders import results
from scripts.benchmark.processes import Commands
from scripts.benchmark.workload import Workload

_DISTINCT = 32  # frames that the network alone is measured with
_NETWORK, _CODED, _JOB = "network alone", "decoding and encoding alone", "whole job"


class VideoBench:
    """One network and one video. Each measurement prints its lines and gives its figures."""

    def __init__(self, commands: Commands, video: Path, rounds: int) -> None:
        self._commands, self._video, self._rounds = commands, video, rounds
        settings = commands.settings
        media = scan(str(video))
        if len(media) != 1 or not isinstance(media[0], VideoMedium):
            raise click.UsageError(f"--video {video}: expected one video")
        self._medium: VideoMedium = media[0]
        loaded = load(find_weights(settings.weights, ()), devices_for(settings), settings, media)
        self._work = Workload(loaded, media, settings, commands.scratch)

    def measurements(self, command: str | None) -> dict[str, Callable[[], dict[str, Any]]]:
        """All that are asked for, by name; `command`: of a peer."""
        found: dict[str, Callable[[], dict[str, Any]]] = {"whole": self.whole}
        if command:
            found["peer"] = lambda: self.beside(command)
        return found

    def whole(self) -> dict[str, Any]:
        """The job beside its parts, a frame's share of each.

        On a CPU all parts need the same cores, so no job can be faster than what they take together, shared out to all
        cores, however well they overlap.
        """
        loaded, lanes = self._work.loaded, len(self._work.loaded.lanes)
        frames = [frame for frame in islice(self._medium.frames(), _DISTINCT) if isinstance(frame, Frame)]
        batches = [
            (lane, lane.engine.upload([lane.views(frame.image)[0].pixels] * loaded.batch_size))
            for lane, frame in zip(loaded.lanes * len(frames), frames, strict=False)
        ]
        count, _ = self._coded()
        measured: dict[str, Callable[[], Span]] = {
            _NETWORK: lambda: stages.forward(batches, lanes, loaded.batch_size, count),
            _CODED: lambda: self._coded()[1],
            _JOB: lambda: self._work.job().each(count),
            f"{_JOB}, --nosave": lambda: self._work.job(nosave=True).each(count),
        }
        taken: dict[str, list[Span]] = {name: [] for name in measured}
        for _ in range(self._rounds):
            for name, measure in measured.items():
                taken[name].append(measure())
        return self._say(count, taken)

    def _say(self, count: int, taken: dict[str, list[Span]]) -> dict[str, Any]:
        click.echo(f"\nA frame of {self._video.name}, {count} frames      ms   core-ms")
        figures: dict[str, Any] = {"frames": count}
        for name, spans in taken.items():
            span = median(spans)
            figures[name] = {"ms": span.wall, "core_ms": span.cpu, "rounds": [one.wall for one in spans]}
            click.echo(f"  {name:30}{span.wall:8.2f}{span.cpu:10.2f}")
        cores = limits.cpu_limit()
        rounds = list(zip(taken[_JOB], taken[_NETWORK], taken[_CODED], strict=True))
        slower = statistics.median(job.wall / max(network.wall, coded.wall) for job, network, coded in rounds)
        together = statistics.median(job.wall * cores / (network.cpu + coded.cpu) for job, network, coded in rounds)
        work = statistics.median(job.cpu / (network.cpu + coded.cpu) for job, network, coded in rounds)
        figures |= {"of_the_slower_part": slower, "of_both_on_all_cores": together, "work_of_both": work}
        click.echo(
            f"  the job takes {slower:.2f} of the slower part's time, {together:.2f} of the time that {cores:g} cores "
            f"need for both, and {work:.2f} of the parts' core time"
        )
        return figures

    def beside(self, command: str) -> dict[str, Any]:
        """The command and a peer in turn."""
        return peer.beside(self._commands, command, {self._video.name: self._video}, self._rounds)

    def _coded(self) -> tuple[int, Span]:
        """Decode all frames, and encode them on another thread, as a run does; their number, and a frame's share."""
        count, encoder = 0, None
        with results(self._commands.scratch) as folder, self._medium.extent() as extent, timed() as span:
            if not isinstance(extent, Extent):
                raise click.UsageError(f"--video {self._video}: {extent}")
            reading = self._medium.reading(extent)
            for frame in reading:
                if not isinstance(frame, PlacedFrame) or reading.look is None:
                    raise click.UsageError(f"--video {self._video}: {frame}")
                if encoder is None:
                    encoder = VideoEncoder(reading.look, frame.image.shape[1], frame.image.shape[0])
                    encoder.begin(str(folder / "coded.mp4"))
                encoder.write(frame.image, frame.pts)
                count += 1
            if encoder:
                encoder.end()
                encoder.close()
        return count, span.each(max(1, count))
