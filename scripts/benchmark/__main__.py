"""Measure this machine: python -m scripts.benchmark --help."""

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click

from entrypoint.cli.run import quiet_libraries
from entrypoint.detectionsettings import ENGINES, Engine
from entrypoint.settings import Settings
from entrypoint.sources.samples import DEMO_IMGSZ, DEMO_SCENES, DEMO_WEIGHTS

MEASUREMENTS = ("stages", "whole", "scaling", "lock", "processes", "start", "growth", "peer")
OF_VIDEOS = ("whole", "peer")


@click.command()
@click.option("--weights", type=click.Path(exists=True, path_type=Path), default=DEMO_WEIGHTS, help="Checkpoint.")
@click.option("--images", type=click.Path(exists=True, path_type=Path), default=DEMO_SCENES, help="Folder of images.")
@click.option("--imgsz", type=click.IntRange(32), help="Size the network sees.  [default: 640, the demo's 320]")
@click.option("--count", type=click.IntRange(1), default=200, show_default=True, help="Images a run, repeating these.")
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True, help="Of each measurement.")
@click.option("--device", default="", help="As yolo-bac's.")
@click.option("--engine", type=click.Choice(ENGINES), default="auto", show_default=True, help="As yolo-bac's.")
@click.option("--batch-size", type=click.IntRange(1), help="As yolo-bac's.")
@click.option("--video", type=click.Path(exists=True, path_type=Path), help="Measure this video instead of images.")
@click.option("--growth", is_flag=True, help="Also run ten times as many images: memory and time an image.")
@click.option("--peer", metavar="COMMAND", help="A command line to run beside: {weights} {source} {project} {imgsz}.")
@click.option("--only", multiple=True, type=click.Choice(MEASUREMENTS), help="Measure this alone; may be repeated.")
@click.option("--json", "report", type=click.Path(path_type=Path), help="Also write all figures to this file.")
def main(
    weights: Path,
    images: Path,
    imgsz: int | None,
    count: int,
    rounds: int,
    device: str,
    engine: Engine,
    batch_size: int | None,
    video: Path | None,
    growth: bool,
    peer: str | None,
    only: tuple[str, ...],
    report: Path | None,
) -> None:
    """Print what an image takes on this machine, and where.

    Of figures that are compared, each round takes one in turn, and medians over the rounds are printed, so that what
    else the machine does hurts all alike.
    """
    growth = growth or "growth" in only
    _refuse((*only, "growth") if growth else only, video=video, peer=peer)
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = dict(os.environ)  # what whole commands are to see: the settings for our libraries slow a peer down
    quiet_libraries()
    from entrypoint.sources.medium import FileMedium  # after the libraries' settings
    from entrypoint.sources.scan import scan
    from scripts.benchmark.measures import Bench
    from scripts.benchmark.processes import Commands
    from scripts.benchmark.runs import Runs
    from scripts.benchmark.video import VideoBench

    side = imgsz or (DEMO_IMGSZ if weights == DEMO_WEIGHTS else 640)
    settings = Settings(weights=str(weights), imgsz=(side, side), device=device, engine=engine, batch_size=batch_size)
    with tempfile.TemporaryDirectory(prefix="yolo-bac-bench-") as folder:
        scratch = Path(folder)
        commands = Commands(settings, scratch, environment)
        if video:
            measurements = VideoBench(commands, video, rounds).measurements(peer)
        else:
            paths = [Path(medium.path) for medium in scan(str(images)) if isinstance(medium, FileMedium)]
            if not paths:
                raise click.UsageError(f"--images {images}: no images there")
            measurements = Bench(settings, scratch, paths, count, rounds).measurements()
            measurements |= Runs(commands, paths, count, rounds).measurements(peer, growth=growth)
        figures = {name: measure() for name, measure in measurements.items() if not only or name in ("machine", *only)}
    if report:
        report.write_text(json.dumps(figures, indent=2) + "\n")


def _refuse(asked: Sequence[str], *, video: Path | None, peer: str | None) -> None:
    """Raises UsageError where something is asked for that cannot be measured."""
    if "peer" in asked and not peer:
        raise click.UsageError("--only peer: expected --peer COMMAND too")
    if video and (others := [name for name in MEASUREMENTS if name in asked and name not in OF_VIDEOS]):
        raise click.UsageError(f"--video: {', '.join(others)} can be measured with images alone")


if __name__ == "__main__":
    main()
