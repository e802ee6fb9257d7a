"""The types of options as click knows them: each hands its text to what the declaration says of it."""

from pathlib import Path
from typing import Any

import click

from entrypoint import parse
from entrypoint.option import Option


class ParsedType(click.ParamType[Any]):
    """A value that the declaration parses from text."""

    def __init__(self, option: Option) -> None:
        self._option, self.name = option, option.metavar or option.name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return _converted(self._option, value, self, param, ctx)


class SwitchType(click.types.BoolParamType):
    """On or off; as text, which only the environment gives, one of the words that the declaration knows."""

    def __init__(self, option: Option) -> None:
        self._option = option

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> bool:
        return bool(_converted(self._option, value, self, param, ctx))


class PathType(click.Path):
    """A path, which is not empty: that would be the current folder."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return super().convert(parse.path(value) if isinstance(value, str) else value, param, ctx)
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


def _converted(
    option: Option,
    value: Any,
    kind: click.ParamType[Any],
    param: click.Parameter | None,
    ctx: click.Context | None,
) -> Any:
    if not isinstance(value, str):  # the default
        return value
    try:
        return option.parsed(value)
    except ValueError as error:
        kind.fail(f"{error}.", param, ctx)
