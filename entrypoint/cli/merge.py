"""`yolo-bac merge DIR...`: options to a call of `shards.merge`."""

from collections.abc import Iterable
from pathlib import Path

import click

from entrypoint.cli.base import CONTEXT, SubCommand
from entrypoint.cli.options import options_of
from entrypoint.cli.types import PathType
from entrypoint.log import LogFormat
from entrypoint.option import MERGE, Option
from entrypoint.run import signals


def merge_command(options: Iterable[Option]) -> click.Command:
    """The sub-command, with those of the options that it takes."""
    folders = click.Argument(["folders"], metavar="DIR...", nargs=-1, required=True, type=PathType())
    return SubCommand(
        MERGE,
        callback=_merge,
        params=[folders, *options_of(MERGE, options)],
        help=_merge.__doc__,
        context_settings=CONTEXT,
    )


def _merge(folders: tuple[Path, ...], project: Path, name: str, *, side_by_side: bool, **_: LogFormat) -> int:
    """Make one run of the parts of a job.

    Finds every part below the DIRs, however nested, also in .tar.gz archives of results, and writes their records,
    images and labels as the run without shards would have. Parts may be there twice. The exit code is 5 when some are
    missing or unfinished, 4 when they are of different jobs.
    """
    with signals.stoppable():
        from entrypoint.shards.merge import merge

        return merge(folders, project, name, side_by_side=side_by_side)
