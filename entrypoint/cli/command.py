"""The command `yolo-bac`: options to Settings, errors to exit codes. Nothing heavy is imported before a job runs."""

import gc
import math
import os
import re
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import click

from entrypoint import __version__, log
from entrypoint.errors import ResourceError, UsageError, YoloBacError
from entrypoint.host import limits, memory
from entrypoint.log import LOG, LOG_FORMATS, LogFormat
from entrypoint.run import signals
from entrypoint.settings import ENGINES, Settings
from entrypoint.shard import Shard
from entrypoint.sources.samples import DEMO_IMGSZ, DEMO_SCENES, DEMO_WEIGHTS

_LISTS = {"--imgsz", "--img", "--img-size", "--classes"}
_COUNT = re.compile("[0-9]{1,5}")
_MAX_PIXELS = 1 << 28  # as many as an image of 16,384 × 16,384 has


class _DetectPyCommand(click.Group):
    """Takes lists as detect.py does, `--classes 0 2`, beside `--classes 0,2`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        with _diagnosis_first():
            return super().parse_args(ctx, list(_joined(args)))

    def invoke(self, ctx: click.Context) -> Any:
        with _diagnosis_first():
            return super().invoke(ctx)


@contextmanager
def _diagnosis_first() -> Iterator[None]:
    """Wrong usage in one line; click's own words begin with three that say nothing of what is wrong."""
    try:
        yield
    except click.UsageError as error:
        raise click.UsageError(f"{error.format_message()} `yolo-bac --help` lists the options.") from error


def _joined(args: list[str]) -> Iterator[str]:
    """Words that follow a list option, up to the next option, as one value."""
    position = 0
    while position < len(args):
        word = args[position]
        position += 1
        yield word
        if word in _LISTS:
            values = []
            while position < len(args) and not args[position].startswith("-"):
                values.append(args[position])
                position += 1
            if values:
                yield ",".join(values)


class _ImageSize(click.ParamType[tuple[int, int]]):
    name = "pixels"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        parts = re.split(r"[,\s]+", str(value).strip())
        if len(parts) > 2 or not all(_COUNT.fullmatch(part) and 1 <= int(part) <= 16384 for part in parts):
            self.fail(f"{value!r} is not a size in pixels, or height and width (640 or 480 640)", param, ctx)
        return int(parts[0]), int(parts[-1])


class _BatchSize(click.ParamType[int | None]):
    name = "auto|n"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        if value in ("auto", None):
            return None
        if not _COUNT.fullmatch(str(value)) or not 1 <= int(value) <= 4096:
            self.fail(f"{value!r} is neither 'auto' nor a number of images from 1 to 4096", param, ctx)
        return int(value)


class _Shard(click.ParamType[Shard | Literal["auto"]]):
    name = "auto|i/n"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Shard | Literal["auto"]:
        try:
            return "auto" if value == "auto" else Shard.parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _Classes(click.ParamType[tuple[str, ...]]):
    name = "ids or names"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        return tuple(part.strip() for part in str(value).split(",") if part.strip())


class _Fraction(click.FloatRange):
    """From 0 to 1; NaN, which no comparison keeps out, is not."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail("nan is not a number from 0 to 1", param, ctx)
        return number


_FRACTION = _Fraction(0, 1)
_PROJECT = click.option(
    "--project",
    type=click.Path(path_type=Path),
    default="/outputs",
    show_default=True,
    help="Folder of all runs.",
)


@click.group(
    cls=_DetectPyCommand,
    invoke_without_command=True,
    subcommand_metavar="[merge DIR...]",
    context_settings={
        "auto_envvar_prefix": "YOLO_BAC",
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
    },
)
@click.option(
    "--weights",
    metavar="PATH",
    help="Checkpoint: a file, a folder, or a file's name below /inputs. "
    "Known by its content, whatever its name.  [default: what /inputs holds]",
)
@click.option(
    "--source",
    metavar="PATH",
    help="Images: a file, a folder, a glob, or a text file of paths.  "
    "[default: /datasets, else images in /inputs, else two bundled samples]",
)
@click.option(
    "--data", hidden=True, expose_value=False, help="Taken as detect.py does: a checkpoint brings its own names."
)
@click.option(
    "--vid-stride", hidden=True, expose_value=False, help="Taken as detect.py does: still images have no frames."
)
@click.option(
    "--imgsz",
    "--img",
    "--img-size",
    type=_ImageSize(),
    metavar="N [N]",
    default="640",
    show_default=True,
    help="Size the network sees: of the longer side, or height and width.",
)
@click.option("--conf-thres", type=_FRACTION, default=0.25, show_default=True, help="Least confidence to report.")
@click.option(
    "--iou-thres",
    type=_FRACTION,
    default=0.45,
    show_default=True,
    help="Overlap above which NMS drops a box.",
)
@click.option(
    "--max-det",
    type=click.IntRange(1, 30000),
    default=1000,
    show_default=True,
    help="Most detections an image.",
)
@click.option(
    "--device",
    default="",
    metavar="cpu|N[,N]",
    help="Where to run: cpu, or GPUs by number.  [default: all GPUs, the CPU where there is none]",
)
@click.option("--half", is_flag=True, help="FP16 on a GPU, unless it loses boxes there.")
@click.option(
    "--engine",
    type=click.Choice(ENGINES),
    default="auto",
    show_default=True,
    help="What computes the network on a CPU: auto is ONNX Runtime unless it cannot run these weights.",
)
@click.option(
    "--batch-size",
    type=_BatchSize(),
    default="auto",
    show_default=True,
    help="Images of one shape that go through the network together.",
)
@click.option("--classes", type=_Classes(), metavar="N|NAME ...", help="Report only these classes, by id or name.")
@click.option("--agnostic-nms", is_flag=True, help="NMS across classes.")
@click.option("--augment", is_flag=True, help="Test-time augmentation: three sizes, one mirrored.")
@click.option("--save-txt", is_flag=True, help="Also write labels/<path>.txt in YOLO's format.")
@click.option("--save-conf", is_flag=True, help="Confidences in those too.")
@click.option("--save-crop", is_flag=True, help="Also cut out each detection: crops/<class>/<path>.")
@click.option("--save-csv", is_flag=True, help="Also write predictions.csv.")
@click.option("--nosave", is_flag=True, help="No annotated images.")
@click.option(
    "--quality",
    type=click.IntRange(1, 100),
    default=95,
    show_default=True,
    help="Of annotated images and crops in JPEG, 1 to 100.",
)
@click.option(
    "--line-thickness",
    type=click.IntRange(1, 100),
    default=3,
    show_default=True,
    help="Of the boxes, in pixels.",
)
@click.option("--hide-labels", is_flag=True, help="Boxes without labels.")
@click.option("--hide-conf", is_flag=True, help="Labels without confidences.")
@_PROJECT
@click.option("--name", default="exp", show_default=True, help="This run's folder in it; exp2, exp3, … when taken.")
@click.option("--exist-ok", is_flag=True, help="Write into that folder even when it is taken.")
@click.option(
    "--resume/--no-resume",
    default=True,
    show_default=True,
    help="Continue an unfinished run with the same weights, source and settings.",
)
@click.option(
    "--shard",
    type=_Shard(),
    help="Look at share I of N only, from 0/N to N-1/N, and write to part-I-of-N in this run's folder; `auto` as "
    "Bacalhau or AWS Batch number their executions. `merge` makes one run of the parts.",
)
@click.option(
    "--max-failures",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Images that may fail before the exit code is 5.",
)
@click.option(
    "--accept-damaged",
    is_flag=True,
    help="Look at what can be decoded of JPEG images whose data are damaged, instead of counting them as failed.",
)
@click.option(
    "--time-budget",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    help="Stop taking new images in time to end cleanly this long after the start; the exit code is 5 when some are "
    "left, and the same command continues.",
)
@click.option("--demo", is_flag=True, help="Run the embedded demo: a tiny network on drawn scenes, without any mount.")
@click.option(
    "--log-format",
    type=click.Choice(LOG_FORMATS),
    default="text",
    show_default=True,
    help="Of the lines on stderr.",
)
@click.version_option(__version__, prog_name="yolo-bac", allow_from_autoenv=False)
@click.pass_context
def command(ctx: click.Context, /, demo: bool, log_format: LogFormat, **options: Any) -> None:
    """Detect objects with YOLOv5 in a batch of images.

    Finds the weights under /inputs by their content, looks at every image of the source, and leaves annotated images,
    JSON labels and a status in PROJECT/NAME. Options of YOLOv5's detect.py keep their names and meaning; each can also
    be set as an environment variable (YOLO_BAC_CONF_THRES=0.4).
    """
    started = time.monotonic()
    log.start(log_format)
    if ctx.invoked_subcommand:
        return
    with _exit_codes():
        settings = Settings(**(_demo(ctx, options) if demo else options))
        with signals.stoppable() as stopper:
            quiet_libraries()
            memory.require_least()
            gc.disable()  # imports make a million objects to keep: not worth looking through, again and again
            from entrypoint.run import job  # torch: seconds that --help and a wrong option should not cost

            gc.freeze()
            gc.enable()
            code = job.run(settings, stopper, started)
    sys.exit(code)


@command.command("merge")
@click.argument("folders", metavar="DIR...", nargs=-1, required=True, type=click.Path(path_type=Path))
@_PROJECT
@click.option("--name", default="merged", show_default=True, help="The merged run's folder in it.")
def merge_command(folders: tuple[Path, ...], project: Path, name: str) -> None:
    """Make one run of the parts of a job.

    Finds every part below the DIRs, however nested, and writes their records, images and labels as the run without
    shards would have. Parts may be there twice. The exit code is 5 when some are missing or unfinished, 4 when they are
    of different jobs.
    """
    with _exit_codes(), signals.stoppable():
        from entrypoint.shards.merge import merge

        code = merge(folders, project, name)
    sys.exit(code)


def _demo(ctx: click.Context, options: dict[str, Any]) -> dict[str, Any]:
    given = {name for name in options if ctx.get_parameter_source(name) != click.core.ParameterSource.DEFAULT}
    embedded = {"weights": str(DEMO_WEIGHTS), "source": str(DEMO_SCENES), "imgsz": (DEMO_IMGSZ, DEMO_IMGSZ)}
    return options | {name: value for name, value in embedded.items() if name not in given}


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


@contextmanager
def _exit_codes() -> Iterator[None]:
    try:
        yield
    except YoloBacError as error:
        LOG.error("%s", error)
        sys.exit(error.exit_code)
    except Exception as error:  # noqa: BLE001 - the outermost edge: the diagnosis first, then the traceback
        if memory.is_said(error):
            LOG.error("%s", memory.shortage("this run"))
            sys.exit(ResourceError.exit_code)
        LOG.error("a defect of this program: %s: %s", type(error).__name__, error)
        traceback.print_exc()
        sys.exit(YoloBacError.exit_code)


def main() -> None:
    """The console script."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the caller
            setattr(sys, name, open(os.devnull, "w"))  # noqa: PTH123, SIM115
    try:
        command(prog_name="yolo-bac")
    except SystemExit as end:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):  # nobody listens any more
                stream.flush()
        # Everything is on disk, and taking PyTorch apart takes a quarter of a second.
        os._exit(end.code if isinstance(end.code, int) else bool(end.code))
