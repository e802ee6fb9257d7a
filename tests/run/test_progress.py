"""How far a run is, and how long it will still take, are told by what this attempt has done."""

import time

import pytest

from entrypoint import log
from entrypoint.run import progress
from entrypoint.run.progress import Progress


def test_what_was_reused_took_no_time(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(log.LOG, "propagate", True)
    caplog.set_level("INFO", log.LOG.name)
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    shown = Progress(1000, reused=900)
    for _ in range(20):
        now += 2
        shown.step()
    assert set(caplog.messages) == {"915 of 1000, 0.5 a second, 170 s left"}


def test_less_is_said_elsewhere_than_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "_TERMINAL_SECONDS", 0.0)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    shown = Progress(3)
    shown.step()
    shown.close()
    assert "1 of 3, " in capsys.readouterr().err
