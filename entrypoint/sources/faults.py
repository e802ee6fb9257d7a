"""Errors of libraries about one input, as that input's failure: no input ends a run."""

import errno
import traceback
from pathlib import Path

from entrypoint.errors import YoloBacError
from entrypoint.host.memory import is_out_of_memory
from entrypoint.host.shortage import raise_if_out_of_files, shortage_of
from entrypoint.log import LOG
from entrypoint.text import printable, shown
from entrypoint.values import OUT_OF_MEMORY, Failure, ResultError

DEFECT = "defect"
"""The kind of failure that this program should have told by a kind of its own."""
_MOST_LETTERS = 200


def failure_of(error: Exception, file: str, task: str) -> Failure:
    """Return the failure of the input `file` for an error that came up when the program was to do `task`.

    An error that nobody expected is a defect: the log names its type and the line that raised it. Raise the error
    itself if it concerns the whole run, as a full disk does.
    """
    if isinstance(error, YoloBacError):
        raise error
    if isinstance(error, ResultError):
        return error.failure
    if is_out_of_memory(error):
        return Failure(OUT_OF_MEMORY, f"no memory left to {task}")
    if getattr(error, "errno", None) != errno.EAGAIN and (shortage := shortage_of(error, "this run")):
        raise shortage from error  # no thread, or no open file, is left: the next input would not fare better
    words = f"{type(error).__name__}: {' '.join(printable(error).split())[:_MOST_LETTERS]}"
    LOG.error("%s: cannot %s, by a defect of this program: %s (%s)", file, task, words, _place(error))
    return Failure(DEFECT, f"cannot {task}: {shown(words)}")


def read_failure(error: OSError, fault: str = "cannot be read") -> Failure:
    """Return the failure of an input that the system does not let this program read.

    Raise ResourceError if too many files are open: that is no fault of the input.
    """
    raise_if_out_of_files(error)
    return Failure("unreadable", f"{fault}: {error.strerror}")


def _place(error: Exception) -> str:
    raised = traceback.extract_tb(error.__traceback__)
    return f"{Path(raised[-1].filename).name}:{raised[-1].lineno}" if raised else "no traceback"
