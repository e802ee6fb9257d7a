"""`yolo-bac convert FILE --to FORMAT`: weights in another format."""

from collections.abc import Iterable
from pathlib import Path

import click

from entrypoint import parse
from entrypoint.cli.base import CONTEXT, SubCommand
from entrypoint.cli.options import options_of
from entrypoint.cli.types import PathType
from entrypoint.errors import UsageError
from entrypoint.log import LogFormat
from entrypoint.option import CONVERT, Option
from entrypoint.text import printable

_FORMATS = ("safe-pt", "onnx")


def convert_command(options: Iterable[Option]) -> click.Command:
    """The sub-command, with those of the options that it takes."""
    params: list[click.Parameter] = [
        click.Argument(["file"], metavar="FILE", type=PathType()),
        click.Option(["to", "--to"], type=click.Choice(_FORMATS), required=True, help="The format to write."),
        click.Option(
            ["output", "--output"],
            type=PathType(),
            metavar="PATH",
            help="The file to write.  [default: FILE's name, ending in .safe.pt or .onnx, in the current folder]",
        ),
        click.Option(
            ["size", "--size"],
            metavar="N|N,N",
            help="The only size, or height and width, that an ONNX file is to take.  [default: any]",
        ),
        *options_of(CONVERT, options),
    ]
    return SubCommand(CONVERT, callback=_convert, params=params, help=_convert.__doc__, context_settings=CONTEXT)


def _convert(file: Path, to: str, output: Path | None, size: str | None, **_: LogFormat) -> int:
    """Write a checkpoint in another format.

    safe-pt holds tensors and plain containers only, so that nothing in it can be run by whoever loads it. onnx is for
    other programs. The written file is run against FILE before it is kept, and it replaces none that is there.
    """
    from entrypoint.weights.convert.convert import FORMATS, convert
    from entrypoint.weights.find import find_weights

    if size is not None and to != "onnx":
        raise UsageError("--size is for --to onnx alone: leave it out")
    try:
        sides = parse.image_size(size) if size is not None else None
    except ValueError as error:
        raise UsageError(f"--size {size}: {error}") from error
    target = output or Path(f"{file.stem}{FORMATS[to]}")
    if target.exists() and file.exists() and target.samefile(file):
        raise UsageError(f"--output {target} is FILE itself; name another file")
    convert(find_weights(str(file), ()), to, target, sides)
    click.echo(f"Written: {printable(target)}. On a trial image it computes what {printable(file)} does.")
    return 0
