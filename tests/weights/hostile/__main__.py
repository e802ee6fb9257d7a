"""Look at each hostile file as a run would, in a process of its own, and print what came of it.

With `--json`, for the tests, as lines of JSON; the whole command then runs for one file in five only.
"""

import contextlib
import dataclasses
import importlib
import io
import json
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from entrypoint.cli.command import command
from entrypoint.errors import YoloBacError
from entrypoint.sources.filetype import TORCH
from entrypoint.sources.samples import DEMO_SCENES, DEMO_WEIGHTS
from entrypoint.weights.find import find_weights
from entrypoint.weights.registry import load_network
from tests.weights.hostile import package, tensors
from tests.weights.hostile.archives import files
from tests.weights.hostile.assemble import as_legacy, as_zip
from tests.weights.hostile.graphs import graphs
from tests.weights.hostile.pickles import pickles
from tests.weights.hostile.scripts import scripts

_MOST_SECONDS, _MOST_BYTES = 60, 4 << 30  # where a file is given up, to spare the machine


@dataclass(frozen=True, slots=True)
class Row:
    """What came of a file: how finding and loading it ended, its cost, and the whole command's exit code."""

    name: str
    file_bytes: int
    verdict: str
    seconds: float
    cpu_seconds: float
    peak_bytes: int
    exit_code: int
    message: str


def corpus(canary: Path) -> Iterator[tuple[str, bytes]]:
    """Every file by its name; those that would run code would make `canary`."""
    for what, opcodes in pickles(canary).items():
        yield f"{what} (zip)", as_zip(opcodes)
        yield f"{what} (legacy)", as_legacy(opcodes)
    for values, cases in ((tensors.VALUES, tensors.tensors()), (package.VALUES, package.package(canary))):
        for what, opcodes in cases.items():
            yield f"{what} (zip)", as_zip(opcodes, {"0": values})
            yield f"{what} (legacy)", as_legacy(opcodes, [("0", 16, values)])
    yield from files().items()
    yield from graphs().items()
    yield from scripts(canary).items()


def look(name: str, path: Path, all_the_way: bool) -> Row:
    """The row of one file, from a child process; its exit code by the whole command, or by the error's kind."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        os.write(writing, json.dumps(dataclasses.asdict(_look(name, path, all_the_way))).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        found = answer.read()
    _, status = os.waitpid(child, 0)
    if found:
        return Row(**json.loads(found))
    how = signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else f"exit {os.WEXITSTATUS(status)}"
    return Row(name, path.stat().st_size, how, 0, 0, 0, -1, "the process died")


def _look(name: str, path: Path, all_the_way: bool) -> Row:
    signal.alarm(_MOST_SECONDS)
    resource.setrlimit(resource.RLIMIT_DATA, (_memory("VmData") + _MOST_BYTES, resource.RLIM_INFINITY))
    verdict, message, code, before = "loads", "", 0, _memory("VmHWM")
    start, cpu = time.perf_counter(), time.process_time()
    try:
        found = find_weights(str(path), ())
        load_network(found.path, found.kind)
    except YoloBacError as error:
        verdict, message, code = type(error).__name__, str(error), error.exit_code
    except BaseException as error:  # noqa: BLE001 - whatever it is, it belongs into the table
        verdict, message, code = f"{type(error).__name__}!", str(error), 1
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    peak = _memory("VmHWM") - before
    if all_the_way:
        code = _exit_code("--weights", path, "--source", DEMO_SCENES, "--project", path.parent / "out")
    return Row(name, path.stat().st_size, verdict, seconds, cpu, peak, code, message[:300])


def _exit_code(*arguments: object) -> int:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        code: object = None
        try:
            command.main([str(argument) for argument in arguments], "yolo-bac")
        except SystemExit as end:
            code = end.code
    return code if isinstance(code, int) else 0


def _memory(what: str) -> int:
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[what].split()[0]) * 1024


def main(folder: Path, as_json: bool) -> None:
    torch.set_num_threads(1)
    load_network(DEMO_WEIGHTS, TORCH)
    for kind in ("onnxfile", "torchscript"):
        importlib.import_module(f"entrypoint.weights.{kind}.load")
    canary = folder / "canary"
    for number, (name, data) in enumerate(corpus(canary)):
        path = folder / "weights.pt"
        path.write_bytes(data)
        row = look(name, path, not as_json or number % 5 == 0)
        if canary.exists():
            row = dataclasses.replace(row, verdict="RAN")
            canary.unlink()
        if as_json:
            print(json.dumps(dataclasses.asdict(row)), flush=True)
            continue
        cost = f"{row.cpu_seconds:6.3f} s {row.peak_bytes / 1e6:6.1f} MB"
        said = row.message.removeprefix("weights.pt: ")[:100]
        print(f"{row.name:54} {row.file_bytes:9} {row.verdict:20} {row.exit_code} {cost}  {said!r}", flush=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(Path(folder), "--json" in sys.argv)
