"""The command `yolo-bac`, made from the declared options, and the process that it is. Nothing heavy is imported."""

import os
import sys
from contextlib import nullcontext, suppress
from typing import Any

import click

from entrypoint import __version__, log
from entrypoint.cli import stderr
from entrypoint.cli.base import CONTEXT, MainCommand, wanted_log_format
from entrypoint.cli.convert import convert_command
from entrypoint.cli.convertresults import convert_results_command
from entrypoint.cli.detectpy import foreign_options
from entrypoint.cli.evaluate import compare_command, evaluate_command
from entrypoint.cli.inspect import inspect_command
from entrypoint.cli.merge import merge_command
from entrypoint.cli.options import options_of
from entrypoint.cli.run import run
from entrypoint.commandsettings import CommandSettings
from entrypoint.option import RUN, declared
from entrypoint.settings import Settings

_HELP = """Detect objects with YOLOv5 in a batch of images.

Finds the weights under /inputs by their content, looks at every image of the source, and leaves annotated images, JSON
labels and a status in PROJECT/NAME. Options of YOLOv5's detect.py keep their names and meaning, and can be shortened as
there (--conf 0.4). Each option can also be set as an environment variable (YOLO_BAC_CONF_THRES=0.4).
"""


def command_for(settings_class: type[Settings]) -> MainCommand:
    """The command that takes the options declared in a class of settings, and runs a job with an instance of it."""
    options = list(declared(settings_class, CommandSettings))

    @click.pass_context
    def callback(ctx: click.Context, /, **values: Any) -> int | None:
        return None if ctx.invoked_subcommand else run(ctx, settings_class)

    main_command = MainCommand(
        "yolo-bac",
        callback=callback,
        params=[*options_of(RUN, options), *foreign_options()],
        help=_HELP,
        invoke_without_command=True,
        subcommand_metavar="[merge | inspect | convert | evaluate | compare | convert-results]",
        context_settings=CONTEXT,
    )
    for further in (
        merge_command,
        inspect_command,
        convert_command,
        evaluate_command,
        compare_command,
        convert_results_command,
    ):
        main_command.add_command(further(options))
    click.version_option(__version__, prog_name="yolo-bac")(main_command)
    return main_command


command = command_for(Settings)


def main() -> None:
    """The console script."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the caller
            setattr(sys, name, open(os.devnull, "w"))  # noqa: PTH123, SIM115
    stderr.report_crashes()
    log.take_over_python()
    as_json = wanted_log_format(sys.argv[1:]) == "json"
    try:
        with stderr.native_lines_as_json() if as_json else nullcontext():
            command.main(prog_name="yolo-bac")
    except SystemExit as end:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):  # nobody listens any more
                stream.flush()
        # Everything is on disk, and taking PyTorch apart takes a quarter of a second.
        os._exit(end.code if isinstance(end.code, int) else bool(end.code))
