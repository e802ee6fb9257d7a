"""What was found, printed as it comes and kept for the JSON file."""

import time
from collections.abc import Mapping
from typing import Any

import click


class Report:
    """Sections of rows, each printed at once. `failures`: what was not as it should be."""

    def __init__(self, seconds: float) -> None:
        """`seconds`: what there is time for."""
        self._began, self._seconds = time.monotonic(), seconds
        self.sections: dict[str, list[dict[str, Any]]] = {}
        self.failures: list[str] = []
        self.skipped: list[str] = []

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
            "seconds": round(self.elapsed, 1),
            **self.sections,
        }


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
