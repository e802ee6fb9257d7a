"""Rows of figures, printed as they come and kept for the JSON file."""

import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click


class Report:
    """Sections of rows. `failures` names the checks that did not pass, `skipped` what there was no time for."""

    def __init__(self, seconds: float) -> None:
        """`seconds`: the time that there is."""
        self._began, self._seconds = time.monotonic(), seconds
        self.sections: dict[str, list[dict[str, Any]]] = {}
        self.failures: list[str] = []
        self.skipped: list[str] = []

    @contextmanager
    def checking(self, name: str) -> Iterator[None]:
        """Make an error in the block a failure of that check; the others are made all the same."""
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
        """Return whether so many seconds are left; else note `what` as skipped."""
        if self.elapsed + seconds < self._seconds:
            return True
        self.skipped.append(what)
        click.echo(f"  {what}: skipped, for the time is up")
        return False

    def section(self, name: str, title: str) -> None:
        """Begin a section."""
        self.sections[name] = []
        click.echo(f"\n{title}  [{self.elapsed:.0f} s]")

    def row(self, section: str, what: str, figures: Mapping[str, Any], passed: bool | None = None) -> None:
        """Add a line of figures; `passed`: whether they are as they should be, None where nothing is expected."""
        verdict = {} if passed is None else {"passed": passed}
        self.sections[section].append({"what": what, **figures, **verdict})
        said = "  ".join(f"{name} {_short(value)}" for name, value in figures.items())
        click.echo(f"  {what:34} {said}{'' if passed is None else '  ok' if passed else '  FAILED'}")
        if passed is False:
            self.failures.append(f"{section}: {what}")

    def to_json(self) -> dict[str, Any]:
        """Return all of it."""
        facts = {"passed": not self.failures, "failures": self.failures, "skipped": self.skipped}
        return facts | {"seconds": round(self.elapsed, 1), **self.sections}


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
