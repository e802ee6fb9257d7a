"""`yolo-bac` without a sub-command: options to Settings, and a job from these."""

import gc
import os
import re
import time
from typing import Any

import click
from click.core import ParameterSource

from entrypoint.cli.options import settings_in
from entrypoint.errors import UsageError
from entrypoint.host import limits, memory
from entrypoint.host.shortage import require_files, require_threads
from entrypoint.option import declared
from entrypoint.run import signals
from entrypoint.settings import Settings
from entrypoint.sources.samples import DEMO_IMGSZ, DEMO_SCENES, DEMO_WEIGHTS

_THIS = "this program"
_FILES = 12  # the run folder with its journal and ledger, an input, a result, and what the libraries open
_MAX_PIXELS = 1 << 28  # as many as an image of 16,384 × 16,384 has


def run(ctx: click.Context, settings_class: type[Settings]) -> int:
    """Do the job that the command was given and return its exit code."""
    started = time.monotonic()
    values = settings_in(ctx.params, declared(settings_class))
    settings = settings_class(**(values | _demo(ctx) if ctx.params["demo"] else values))
    with signals.stoppable() as stopper:
        quiet_libraries()
        memory.require_least()
        memory.save_address_space()
        require_threads(2 + limits.threads(), _THIS)
        require_files(_FILES + limits.threads(), _THIS)
        gc.disable()  # imports make a million objects to keep: not worth looking through, again and again
        from entrypoint.run import job  # libraries that --help and a wrong option should not wait for

        gc.freeze()
        gc.enable()
        return job.run(settings, stopper, started)


def _demo(ctx: click.Context) -> dict[str, Any]:
    """What the demo sets, where the user has not said otherwise."""
    embedded = {"weights": str(DEMO_WEIGHTS), "source": str(DEMO_SCENES), "imgsz": (DEMO_IMGSZ, DEMO_IMGSZ)}
    return {
        name: value for name, value in embedded.items() if ctx.get_parameter_source(name) is ParameterSource.DEFAULT
    }


def quiet_libraries() -> None:
    """Settings that libraries read once, when they are imported; the user's own stand."""
    limit = os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(_MAX_PIXELS))
    if not re.fullmatch(r"[0-9]{1,18}", limit):
        raise UsageError(f"OPENCV_IO_MAX_IMAGE_PIXELS={limit}: expected a whole number of pixels")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    # Threads that wait for others spin on OpenMP's default; where CPUs are shared that made images ten times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("OMP_NUM_THREADS", str(limits.threads()))
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy's; nothing here asks it to multiply matrices
