"""From errors to exit codes, with the diagnosis in the first line of stderr."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from entrypoint.errors import EXIT_SIGNAL, UsageError, YoloBacError
from entrypoint.host.shortage import shortage_of
from entrypoint.log import LOG

_INTERRUPT = 2


@contextmanager
def exit_codes() -> Iterator[None]:
    """While the block runs, an error is logged and ends the process with the exit code of its class."""
    try:
        yield
    except YoloBacError as error:
        LOG.error("%s", error)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        LOG.error("%s `yolo-bac --help` lists the options.", " ".join(error.format_message().split()))
        sys.exit(UsageError.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(EXIT_SIGNAL + _INTERRUPT)
    except Exception as error:  # noqa: BLE001 - the outermost edge
        if shortage := shortage_of(error, "this run"):
            LOG.error("%s", shortage)
            sys.exit(shortage.exit_code)
        LOG.error("a defect of this program: %s: %s", type(error).__name__, error, exc_info=True)
        sys.exit(YoloBacError.exit_code)
