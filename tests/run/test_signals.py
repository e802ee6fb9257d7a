"""A stop signal ends the process at any time with a line that says so, and with 128 and its number."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from entrypoint.sources.samples import DEMO_SCENES
from tests.conftest import ROOT, heed_signals, start

# The command, but for a job that is still at its start.
STARTING = """
import sys, time, types
import entrypoint.run
from entrypoint.cli.command import command
job = types.ModuleType("entrypoint.run.job")  # the real one has libraries start threads, before signals are blocked
job.run = lambda *_: (print("started", flush=True), time.sleep(60))
sys.modules[job.__name__] = entrypoint.run.job = job
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


# The command, but to remove what no record vouches for takes a while after the ledger of it has been closed.
CLEARING = """
import sys, time
from entrypoint.cli.command import main
from entrypoint.results.ledger import Ledger
usual = Ledger.close
def close(self):
    left = usual(self)
    print("closed", flush=True)
    time.sleep(3)
    return left
Ledger.close = close
main()
"""


def test_a_stop_stays_a_stop_while_results_are_cleared(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    scene = (DEMO_SCENES / "scene-1.png").read_bytes()
    for number in range(400):
        (source / f"{number:03}.png").write_bytes(scene)
    one_thread = os.environ | {"OPENBLAS_NUM_THREADS": "1"}  # as the command itself sets it before NumPy is imported
    job = start("--demo", "--source", source, "--project", tmp_path, program=["-c", CLEARING], env=one_thread)
    journal = tmp_path / "exp" / "records.jsonl"
    while not (journal.exists() and journal.stat().st_size):
        assert job.poll() is None
    job.send_signal(signal.SIGTERM)
    stdout, stderr = job.communicate(timeout=60)
    status = json.loads((tmp_path / "exp" / "status.json").read_bytes())
    assert stdout == "closed\n", stderr
    assert (job.returncode, status["state"], status["exit_code"]) == (143, "stopped", 143), stderr
    assert "defect" not in stderr
