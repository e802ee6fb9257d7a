"""Log lines on stderr, as text or JSON, with the diagnosis of a failed start before everything else."""

import json
import logging
import logging.handlers
import sys
from datetime import UTC, datetime
from typing import Literal

LOG = logging.getLogger("yolo-bac")
LogFormat = Literal["text", "json"]
LOG_FORMATS: tuple[LogFormat, ...] = ("text", "json")


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        return json.dumps({"time": moment, "level": record.levelname.lower(), "message": record.getMessage()})


class _TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        return f"yolo-bac: {level}{record.getMessage()}"


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
