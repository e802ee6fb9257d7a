"""`yolo-bac convert-results RUN`: options to a call of `shards.convert`."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from entrypoint.cli.base import CONTEXT, SubCommand
from entrypoint.cli.options import options_of, settings_in
from entrypoint.cli.types import PathType
from entrypoint.option import CONVERT_RESULTS, Option, declared
from entrypoint.run import signals
from entrypoint.settings import Settings


def convert_results_command(options: Iterable[Option]) -> click.Command:
    """The sub-command, with those of the options that it takes."""
    run = click.Argument(["run"], metavar="RUN", type=PathType())
    return SubCommand(
        CONVERT_RESULTS,
        callback=_convert,
        params=[run, *options_of(CONVERT_RESULTS, options)],
        help=_convert.__doc__,
        context_settings=CONTEXT,
    )


@click.pass_context
def _convert(ctx: click.Context, /, run: Path, truth: Path | None, **values: Any) -> int:
    """Write further formats of a run that has ended.

    They are those that the run itself would have written with the same --format, in a folder of their own. What is not
    given is as it was for the run. With --truth, coco-results has the ids of that ground truth.
    """
    options = [
        option
        for option in declared(Settings)
        if not (option.decides and ctx.get_parameter_source(option.name) is ParameterSource.DEFAULT)
    ]
    with signals.stoppable():
        from entrypoint.shards.convert import convert

        return convert(run, settings_in(values, options), truth)
