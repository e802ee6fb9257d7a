"""How far a run is, and how long it will still take, are told by what this attempt has done."""

import io
import time

import pytest

from entrypoint import log
from entrypoint.run import progress
from entrypoint.run.progress import Progress


class Terminal(io.StringIO):
    """What a terminal was sent."""

    def isatty(self) -> bool:
        """It is one."""
        return True


def test_what_was_reused_took_no_time(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(log.LOG, "propagate", True)
    caplog.set_level("INFO", log.LOG.name)
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    shown = Progress(1000, reused=900)
    for _ in range(20):
        now += 2
        shown.step(3)
    assert set(caplog.messages) == {"915 of 1000, 0.5 a second, 170 s left, 45 detections so far"}


def test_a_terminal_has_a_bar_that_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_TERMINAL_SECONDS", 0.0)
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    shown = Progress(1000, reused=900)
    time.sleep(0.01)
    for _ in range(3):
        shown.step(2)
    drawn = terminal.getvalue()
    assert "903/1000" in drawn and "6 detections" in drawn and "inputs/s" in drawn
    log.LOG.warning("a line of the log")
    shown.close()
    assert not terminal.getvalue().rpartition("\r")[2].strip()
    assert not log.LOG.filters


def test_nothing_but_lines_of_the_log_is_written_elsewhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = Progress(3)
    shown.step()
    shown.close()
    assert capsys.readouterr().err == ""
