"""Native libraries write to the process's stderr by themselves: with JSON log lines, theirs become such lines, too."""

import faulthandler
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from entrypoint.log import json_line
from entrypoint.text import shown

_STDERR = 2
_MOST_OF_A_LINE = 4096


@contextmanager
def native_lines_as_json() -> Iterator[None]:
    """While the block runs, each line that native code (libpng, CUDA) writes to stderr is written as a JSON object.

    Python's own `sys.stderr` goes past this. A process of its own does the writing, not a thread: it also gets out what
    stands in the pipe when this process is killed or crashes, and goes on while a library holds Python's lock.
    """
    sys.stderr.flush()
    real = os.dup(_STDERR)
    reading, writing = os.pipe()
    try:
        relay = os.fork()
    except OSError:  # no more processes are granted: the lines stay as they are
        yield
        return
    if relay == 0:
        os.close(writing)
        _relay(reading, real)
    os.close(reading)
    before, sys.stderr = sys.stderr, open(real, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    os.dup2(writing, _STDERR)
    os.close(writing)
    try:
        yield
    finally:
        sys.stderr.flush()
        sys.stderr = before
        os.dup2(real, _STDERR)  # closes the pipe, and the relay ends with it
        os.waitpid(relay, 0)
        os.close(real)


def report_crashes() -> None:
    """Have a crash in native code say on stderr where it was."""
    faulthandler.enable(_STDERR)


def _relay(reading: int, real: int) -> None:
    """In a process of its own: copy lines until nobody is left who could write one. Does not return."""
    for stop in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(stop, signal.SIG_IGN)
    with suppress(BaseException):
        for standard in (0, 1, _STDERR):
            os.close(standard)
        with open(reading, "rb") as lines:
            while line := lines.readline(_MOST_OF_A_LINE):
                text = shown(line.decode("utf-8", "backslashreplace").rstrip())
                if text:
                    os.write(real, json_line("warning", text, time.time()).encode() + b"\n")
    os._exit(0)
