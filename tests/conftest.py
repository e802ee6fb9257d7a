"""Fixtures: real weights and photographs where they are at hand, and the command run as a user runs it."""

import io
import json
import os
import resource
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from entrypoint.cli.command import command

# Every run tries the same examples, and how long one takes is no property of the code: the machine may be busy.
hypothesis.settings.register_profile("same", deadline=None, derandomize=True)
hypothesis.settings.load_profile("same")

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Ended:
    """How a run of the command ended."""

    code: int
    stdout: str
    stderr: str


@pytest.fixture(autouse=True)
def limit_of_memory() -> Iterator[None]:
    """A job that runs in this process guards its memory; the processes of later tests must not inherit that limit."""
    before = resource.getrlimit(resource.RLIMIT_DATA)
    yield
    resource.setrlimit(resource.RLIMIT_DATA, before)


@pytest.fixture(autouse=True)
def one_thread_of_torch() -> None:
    """The networks of the tests are tiny: a second thread of PyTorch's takes six times the CPU's time and gains none.

    What the program under test says of its threads it says after this.
    """
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


@pytest.fixture
def data() -> Path:
    """The folder with real weights, photographs and detect.py's detections."""
    folder = os.environ.get("YOLO_BAC_TEST_DATA")
    if not folder:
        pytest.skip("YOLO_BAC_TEST_DATA names no folder of real weights and photographs")
    return Path(folder)


@pytest.fixture
def yolo_bac() -> Callable[..., Ended]:
    """Run the command in this process; torch is imported once for all tests."""

    def run(*args: object) -> Ended:
        out, err = io.StringIO(), io.StringIO()
        code = 0
        with redirect_stdout(out), redirect_stderr(err):
            try:
                command.main([str(arg) for arg in args], prog_name="yolo-bac")
            except SystemExit as end:
                code = int(end.code or 0)
        return Ended(code, out.getvalue(), err.getvalue())

    return run


def heed_signals() -> None:
    """In the child: not to ignore what the shell that runs the tests in its background may have it ignore."""
    for stop in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(stop, signal.SIG_DFL)


def start(*args: object, program: Sequence[str] = ("-m", "entrypoint"), **options: Any) -> "subprocess.Popen[str]":
    """Start the command, or another `program` in Python, as a process of its own."""
    options.setdefault("preexec_fn", heed_signals)
    return subprocess.Popen(
        [sys.executable, *program, *map(str, args)],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


def records(run: Path) -> dict[str, dict[str, Any]]:
    """The records of a run by file, from predictions.json."""
    images = json.loads((run / "predictions.json").read_bytes())["images"]
    return {record["file"]: record for record in images}


@pytest.fixture(scope="session")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """ultralytics.nn.modules, imported without its settings file or a look at the network."""
    os.environ.update(YOLO_CONFIG_DIR=str(tmp_path_factory.mktemp("ultralytics")), YOLO_OFFLINE="true")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from ultralytics.nn import modules
    yield modules
