"""What all commands share: arguments as detect.py takes them, and how a sub-command takes options given before it."""

import os
import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NoReturn

import click
from click.core import ParameterSource

from entrypoint import log
from entrypoint.cli.detectpy import Words
from entrypoint.cli.exits import exit_codes
from entrypoint.cli.options import HAS_SUBCOMMAND
from entrypoint.log import LOG_FORMATS, LogFormat

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
_LOG_FORMAT, _LOG_FORMAT_VARIABLE = "--log-format", "YOLO_BAC_LOG_FORMAT"


class MainCommand(click.Group):
    """The command `yolo-bac` itself, whose callback runs a job and returns the exit code."""

    def main(  # type: ignore[override]  # it always exits
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> NoReturn:
        """Run with these words, by default the process's, and exit with the code."""
        words = list(sys.argv[1:] if args is None else args)
        log.start(wanted_log_format(words))
        with exit_codes():
            code = super().main(words, prog_name, standalone_mode=False, **extra)
            sys.exit(code or 0)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ours, rest = Words(self.get_params(ctx)).expanded(args, until_positional=True)
        ctx.meta[HAS_SUBCOMMAND] = bool(rest)
        return super().parse_args(ctx, [*ours, *rest])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            advice = "images are named with --source, which takes one path: put a pattern between quotes"
            raise click.UsageError(f"No such command {args[0]!r}; {advice}.")
        return super().resolve_command(ctx, args)


class SubCommand(click.Command):
    """A sub-command. Options before its name count for it as well; those that it would ignore are refused."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ours, rest = Words(self.get_params(ctx)).expanded(args, until_positional=False)
        left = super().parse_args(ctx, [*ours, *rest])
        if ctx.parent is not None:
            self._take_options_of(ctx.parent, ctx)
        return left

    def _take_options_of(self, parent: click.Context, ctx: click.Context) -> None:
        ours = {parameter.name for parameter in self.params}
        for parameter in parent.command.params:
            name = parameter.name or ""
            if parent.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
                continue
            if name not in ours:
                raise click.UsageError(f"`{self.name}` would ignore {parameter.opts[0]}: leave it out.")
            if ctx.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
                ctx.params[name] = parent.params[name]
                ctx.set_parameter_source(name, ParameterSource.COMMANDLINE)


def wanted_log_format(words: Sequence[str]) -> LogFormat:
    """The format that --log-format or its variable asks for, before anything else of the words is known to be right.

    Only so can an error in them be logged in that format. One that is not known is refused later, in the default one.
    """
    wanted = os.environ.get(_LOG_FORMAT_VARIABLE, "")
    for word, following in pairwise([*words, ""]):
        name, equals, value = word.partition("=")
        if len(name) > len("--l") and _LOG_FORMAT.startswith(name):  # --l is short for --line-thickness
            wanted = value if equals else following
    return next((known for known in LOG_FORMATS if known == wanted), LOG_FORMATS[0])
