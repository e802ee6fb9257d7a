"""`yolo-bac evaluate RUN` and `yolo-bac compare A B`: options to calls of `entrypoint.evaluate`."""

from collections.abc import Iterable
from pathlib import Path

import click

from entrypoint.cli.base import CONTEXT, SubCommand
from entrypoint.cli.options import options_of
from entrypoint.cli.types import PathType
from entrypoint.errors import UsageError
from entrypoint.log import LogFormat
from entrypoint.option import COMPARE, EVALUATE, Option
from entrypoint.run import signals

_FOLDER = PathType()


def evaluate_command(options: Iterable[Option]) -> click.Command:
    """The sub-command, with those of the options that it takes."""
    run = click.Argument(["run"], metavar="RUN", type=_FOLDER)
    return SubCommand(
        EVALUATE,
        callback=_evaluate,
        params=[run, *options_of(EVALUATE, options)],
        help=_evaluate.__doc__,
        context_settings=CONTEXT,
    )


def compare_command(options: Iterable[Option]) -> click.Command:
    """The sub-command, with those of the options that it takes."""
    runs = [click.Argument([name], metavar=name.upper(), type=_FOLDER) for name in ("first", "second")]
    return SubCommand(
        COMPARE,
        callback=_compare,
        params=[*runs, *options_of(COMPARE, options)],
        help=_compare.__doc__,
        context_settings=CONTEXT,
    )


def _evaluate(run: Path, truth: Path | None, out: Path | None, **_: LogFormat) -> int:
    """Measure the results of a run against a ground truth.

    The truth is a COCO JSON file, or a folder with YOLO's .txt or VOC's .xml files. The numbers are those of COCO and
    those of YOLOv5's val.py, each by its name; evaluation.html shows the images with the most mistakes. Run with
    --conf-thres 0.001 --iou-thres 0.6 --max-det 300 for numbers that compare.
    """
    if truth is None:
        raise UsageError("evaluate: --truth is missing: expected a COCO JSON file or a folder of labels")
    with signals.stoppable():
        from entrypoint.evaluate.commands import evaluate_run

        return evaluate_run(run, truth, out)


def _compare(first: Path, second: Path, out: Path | None, **_: LogFormat) -> int:
    """Tell what changed between two runs.

    Detections that both have, that moved, that came or went, by class; inputs that only one has; settings that differ.
    """
    with signals.stoppable():
        from entrypoint.evaluate.commands import compare_runs

        return compare_runs(first, second, out)
