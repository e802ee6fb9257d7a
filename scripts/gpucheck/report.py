"""What was found, printed as it comes and kept for the JSON file."""

import logging
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click

from entrypoint.log import LOG


class _Heard(logging.Handler):
    """Prints warnings among the rows, and keeps them."""

    def __init__(self, kept: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._kept = kept

    def emit(self, record: logging.LogRecord) -> None:
        self._kept.append(record.getMessage())
        click.echo(f"  warning: {record.getMessage()}")


class Report:
    """Sections of rows, each printed at once. `failures`: what was not as it should be."""

    def __init__(self, seconds: float) -> None:
        """`seconds`: what there is time for."""
        self._began, self._seconds = time.monotonic(), seconds
        self.sections: dict[str, list[dict[str, Any]]] = {}
        self.failures: list[str] = []
        self.skipped: list[str] = []
        self.warnings: list[str] = []

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Keep what the program warns of during the block: that a shortcut failed its trial, for one."""
        handler = _Heard(self.warnings)
        LOG.addHandler(handler)
        try:
            yield
        finally:
            LOG.removeHandler(handler)

    @contextmanager
    def checking(self, name: str) -> Iterator[None]:
        """An error in the block is a failure of that check, and the others are made all the same."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever it is, it is reported
            self.failures.append(f"{name}: {type(error).__name__}: {error}"[:300])
            click.echo("".join(traceback.format_exception(error)))

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._began

    def has_time_for(self, what: str, seconds: float) -> bool:
        """Whether so many seconds are left; else it is noted as skipped."""
        if self.elapsed + seconds < self._seconds:
            return True
        self.skipped.append(what)
        click.echo(f"  {what}: skipped, for the time is up")
        return False

    def section(self, name: str, title: str) -> None:
        """What comes next belongs to it."""
        self.sections[name] = []
        click.echo(f"\n{title}  [{self.elapsed:.0f} s]")

    def row(self, section: str, what: str, figures: Mapping[str, Any], passed: bool | None = None) -> None:
        """One line of figures; `passed`: whether they are as they should be, None where nothing is expected of them."""
        verdict = {} if passed is None else {"passed": passed}
        self.sections[section].append({"what": what, **figures, **verdict})
        said = "  ".join(f"{name} {_short(value)}" for name, value in figures.items())
        click.echo(f"  {what:44} {said}{'' if passed is None else '  ok' if passed else '  FAILED'}")
        if passed is False:
            self.failures.append(f"{section}: {what}")

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        return {
            "passed": not self.failures,
            "failures": self.failures,
            "skipped": self.skipped,
            "warnings": self.warnings,
            "seconds": round(self.elapsed, 1),
            **self.sections,
        }


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
