"""Log lines on stderr, as text or JSON, with the diagnosis of a failed start before everything else.

All that is printed there goes through `shown` at this one place, so callers pass names as they are.
"""

import json
import logging
import numbers
import sys
import threading
import traceback
import warnings
from datetime import UTC, datetime
from typing import Any, Literal

from entrypoint.errors import YoloBacError
from entrypoint.text import shown

LOG = logging.getLogger("yolo-bac")
LogFormat = Literal["text", "json"]
LOG_FORMATS: tuple[LogFormat, ...] = ("text", "json")


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        more = {"traceback": "\n".join(_traceback(record))} if record.exc_info else {}
        return json_line(record.levelname.lower(), _message(record), record.created, **more)


class _TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        return "\n  ".join([f"yolo-bac: {level}{_message(record)}", *_traceback(record)])


def json_line(level: str, message: str, created: float, **more: str) -> str:
    """A line of the log as one JSON object; `created` in seconds since 1970."""
    moment = datetime.fromtimestamp(created, UTC).isoformat(timespec="milliseconds")
    return json.dumps({"time": moment, "level": level, "message": message, **more})


def _message(record: logging.LogRecord) -> str:
    """The text of a record, with all that was put into it safe to print."""
    if not record.args:
        return shown(record.msg)
    args = record.args if isinstance(record.args, tuple) else (record.args,)
    return str(record.msg) % tuple(map(_safe, args))


def _safe(value: object) -> object:
    if isinstance(value, numbers.Number):
        return value
    return "\n".join(map(shown, value.lines)) if isinstance(value, YoloBacError) else shown(value)


def _traceback(record: logging.LogRecord) -> list[str]:
    if not record.exc_info:
        return []
    return [shown(line) for part in traceback.format_exception(*record.exc_info) for line in part.splitlines()]


def start(log_format: LogFormat) -> None:
    """Log to stderr, but keep the lines back until `release`, or until an error goes first.

    A platform shows the first bytes of stderr, so when the start fails its reason must stand there alone.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter() if log_format == "json" else _TextFormatter())
    held = _HeldBack(handler)
    LOG.handlers[:] = [held]
    LOG.setLevel(logging.INFO)
    LOG.propagate = False


def release() -> None:
    """The start went well: write what was kept back, and from now on every line at once."""
    for handler in LOG.handlers:
        if isinstance(handler, _HeldBack):
            handler.open()


def take_over_python() -> None:
    """Make log lines of what Python itself prints to stderr: warnings, errors that nobody caught, others' log lines."""

    def warn(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        LOG.warning("%s: %s", category.__name__, message)

    def unraisable(args: "sys.UnraisableHookArgs") -> None:
        LOG.warning("an error that nobody could catch in %s: %s", args.object, args.exc_value)

    def in_thread(args: threading.ExceptHookArgs) -> None:
        error = args.exc_value or args.exc_type()
        where = args.thread.name if args.thread else "?"
        LOG.error("an error that nobody caught in thread %s", where, exc_info=error)

    logging.lastResort = _OthersLines(logging.WARNING)
    warnings.showwarning = warn
    sys.unraisablehook = unraisable
    threading.excepthook = in_thread


class _OthersLines(logging.Handler):
    """Log lines of libraries, which have no handler of their own."""

    def emit(self, record: logging.LogRecord) -> None:
        if LOG.handlers:  # else it would come back here
            LOG.handle(record)


class _HeldBack(logging.Handler):
    def __init__(self, target: logging.Handler) -> None:
        super().__init__()
        self._target = target
        self._lines: list[logging.LogRecord] | None = []

    def emit(self, record: logging.LogRecord) -> None:
        if self._lines is None:
            self._target.handle(record)
        elif record.levelno >= logging.ERROR:
            self._target.handle(record)
            self.open()
        else:
            self._lines.append(record)

    def open(self) -> None:
        for record in self._lines or ():
            self._target.handle(record)
        self._lines = None
