"""Log lines: what other people's text cannot do in them."""

import json
import subprocess
import sys
from collections.abc import Callable

import pytest

from entrypoint import log
from entrypoint.errors import UnsafeWeightsError, WeightsError
from entrypoint.log import LOG, LogFormat
from tests.conftest import ROOT

HOSTILE = "\x1b[2Jx\r\nyolo-bac: error: forged\u202e\udce9"
SHOWN = r"\x1b[2Jx\r\nyolo-bac: error: forged\u202e\xe9"
Logged = Callable[[LogFormat, Callable[[], object]], list[str]]


@pytest.fixture
def logged(capsys: pytest.CaptureFixture[str]) -> Logged:
    """The lines that an action leaves on stderr."""

    def lines(log_format: LogFormat, action: Callable[[], object]) -> list[str]:
        log.start(log_format)
        log.release()
        action()
        return capsys.readouterr().err.splitlines()

    return lines


def test_what_is_put_into_a_line_cannot_leave_it(logged: Logged) -> None:
    assert logged("text", lambda: LOG.warning("%s of %d", HOSTILE, 3)) == [f"yolo-bac: warning: {SHOWN} of 3"]
    (line,) = logged("json", lambda: LOG.warning("%s of %d", HOSTILE, 3))
    assert json.loads(line)["message"] == f"{SHOWN} of 3"


def test_the_text_of_an_error_cannot_leave_its_line(logged: Logged) -> None:
    assert logged("text", lambda: LOG.error("%s", UnsafeWeightsError(HOSTILE))) == [f"yolo-bac: error: {SHOWN}"]


def test_rows_of_an_error_are_lines_of_their_own(logged: Logged) -> None:
    error = WeightsError("several:", ["  one", f"  {HOSTILE}"])
    assert logged("text", lambda: LOG.error("%s", error)) == ["yolo-bac: error: several:", "  one", f"  {SHOWN}"]


def fail() -> None:
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        LOG.error("a defect", exc_info=sys.exc_info())


def test_a_traceback_is_indented_so_that_none_of_its_lines_can_be_taken_for_a_log_line(logged: Logged) -> None:
    first, *rest = logged("text", fail)
    assert first == "yolo-bac: error: a defect"
    assert rest[0] == "  Traceback (most recent call last):"
    assert all(line.startswith("  ") and line.isprintable() for line in rest)


def test_a_traceback_is_one_json_line(logged: Logged) -> None:
    (line,) = logged("json", fail)
    assert json.loads(line)["traceback"].startswith("Traceback (most recent call last):\n")
    assert "\x1b" not in json.loads(line)["traceback"]


@pytest.mark.parametrize(
    ("action", "message"),
    [
        ("warnings.warn('odd\\x1b\\n', RuntimeWarning)", r"RuntimeWarning: odd\x1b\n"),
        ("logging.getLogger('a library').warning('odd\\x1b\\n')", r"odd\x1b\n"),
        ("threading.Thread(target=lambda: 1 / 0, name='t\\n').start()", r"an error that nobody caught in thread t\n"),
    ],
)
def test_what_python_itself_would_print_is_a_log_line(action: str, message: str) -> None:
    code = (
        "import logging, threading, warnings\n"
        "from entrypoint import log\n"
        "log.start('json'); log.release(); log.take_over_python()\n"
        f"{action}\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    assert [json.loads(line)["message"] for line in done.stderr.splitlines()] == [message]
