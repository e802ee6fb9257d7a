"""`yolo-bac inspect FILE...`: what files of weights are, told without loading them."""

import json
from collections.abc import Iterable
from pathlib import Path

import click

from entrypoint.cli.base import CONTEXT, SubCommand
from entrypoint.cli.options import options_of
from entrypoint.cli.types import PathType
from entrypoint.errors import WeightsError
from entrypoint.log import LogFormat
from entrypoint.option import INSPECT, Option


def inspect_command(options: Iterable[Option]) -> click.Command:
    """The sub-command, with those of the options that it takes."""
    files = click.Argument(["files"], metavar="FILE...", nargs=-1, required=True, type=PathType())
    as_json = click.Option(["as_json", "--json"], is_flag=True, help="Write a JSON array: an object for each file.")
    return SubCommand(
        INSPECT,
        callback=_inspect,
        params=[files, as_json, *options_of(INSPECT, options)],
        help=_inspect.__doc__,
        context_settings=CONTEXT,
    )


def _inspect(files: tuple[Path, ...], as_json: bool, **_: LogFormat) -> int:
    """Tell what files of weights are.

    Nothing in a FILE is run and no network is built: kind, family, classes, input size, and every name that its pickle
    would import, with those that are refused. The exit code is 3 when one of the files would not run.
    """
    from entrypoint.weights.inspect import inspect

    found = [inspect(path) for path in files]
    if as_json:
        click.echo(json.dumps([facts.as_json() for facts in found], indent=1, ensure_ascii=False))
    else:
        click.echo("\n\n".join("\n".join(facts.lines()) for facts in found))
    return WeightsError.exit_code if any(facts.fault or facts.refused for facts in found) else 0
