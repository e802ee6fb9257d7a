"""Options of the command line, made from their declarations."""

import os
from collections.abc import Iterable, Mapping
from typing import Any

import click
from click.core import ParameterSource
from click.types import OptionHelpExtra

from entrypoint.cli.types import ParsedType, SwitchType
from entrypoint.option import Option

HAS_SUBCOMMAND = "yolo-bac.has_subcommand"
"""Set in a context's `meta` where a sub-command follows: its options are then what the environment sets."""


class DeclaredOption(click.Option):
    """An option of one command, with its name, type, help, default and environment variable from a declaration."""

    def __init__(self, option: Option, command: str) -> None:
        words = ["/".join(filter(None, [option.words[0], option.off_word])), *option.words[1:]]
        self.is_list, self.adds_up, self.separator = option.is_list, option.adds_up, option.separator
        self.detect_py, self.once = option.detect_py, option.once
        self._shown_default = option.shown_default(command)
        super().__init__(
            [option.name, *words],
            type=SwitchType(option) if option.is_switch else ParsedType(option),
            is_flag=option.is_switch,
            default=option.default_in(command),
            metavar=f"[{'|'.join(option.choices)}]" if option.choices else option.metavar or None,
            envvar=option.variable,
            help=option.help,
        )

    def value_from_envvar(self, ctx: click.Context) -> str | None:
        """The text of its variable, empty or not: what is set means what the same text after the option would mean."""
        if ctx.parent is None and ctx.meta.get(HAS_SUBCOMMAND):
            return None
        return os.environ.get(str(self.envvar))

    def process_value(self, ctx: click.Context, value: Any) -> Any:
        """The value, checked; an error names the variable where that is what holds it."""
        try:
            return super().process_value(ctx, value)
        except click.BadParameter as error:
            if ctx.get_parameter_source(self.name or "") is ParameterSource.ENVIRONMENT:
                raise click.BadParameter(error.message, ctx, param_hint=str(self.envvar)) from error
            raise

    def get_help_extra(self, ctx: click.Context) -> OptionHelpExtra:
        """What stands in brackets after the help: the default in the declaration's words."""
        return {"default": self._shown_default} if self._shown_default else {}


def options_of(command: str, options: Iterable[Option]) -> list[click.Parameter]:
    """The options that a command takes."""
    return [DeclaredOption(option, command) for option in options if command in option.commands]


def settings_in(values: Mapping[str, Any], options: Iterable[Option]) -> dict[str, Any]:
    """The values of these options among those of a command."""
    return {option.name: values[option.name] for option in options if option.name in values}
