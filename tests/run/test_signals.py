"""A stop signal ends the process at any time with a line that says so, and with 128 and its number."""

import signal
import subprocess
import sys

import pytest

from tests.conftest import ROOT, heed_signals

# The command, but for a job that is still at its start.
STARTING = """
import time
from entrypoint.cli.command import command
from entrypoint.run import job
job.run = lambda *_: (print("started", flush=True), time.sleep(60))
command.main()
"""


@pytest.mark.parametrize("caught", [signal.SIGTERM, signal.SIGINT], ids=lambda caught: caught.name)
def test_a_stop_before_the_first_line_leaves_one(caught: signal.Signals) -> None:
    command = [sys.executable, "-c", STARTING, "--demo"]
    with subprocess.Popen(
        command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=heed_signals
    ) as job:
        assert job.stdout and job.stderr
        assert job.stdout.readline() == "started\n"
        job.send_signal(caught)
        lines = job.stderr.read().splitlines()
    assert job.returncode == 128 + caught
    assert lines == [
        f"yolo-bac: error: stopped by {caught.name} before there was anything to keep; the same command starts over"
    ]
