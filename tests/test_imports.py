"""What a process imports: PyTorch costs a second and 500 MB, so only a GPU or `--engine torch` may ask for it."""

import subprocess
import sys
from pathlib import Path

import pytest

from entrypoint.sources.samples import DEMO_SCENES, DEMO_WEIGHTS
from tests.conftest import ROOT

HEAVY = ("torch", "torchvision", "ultralytics", "onnx", "sympy", "google.protobuf")
RUN = """
import sys
from entrypoint.cli.command import command
try:
    command.main(sys.argv[1:], prog_name="yolo-bac")
except SystemExit as end:
    print(f"exit {end.code};", *(name for name in %r if name in sys.modules))
"""


def ended(code: str, *arguments: object) -> str:
    """What a process writes last."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout.splitlines()[-1].strip()


def test_a_job_on_a_cpu_imports_none_of_them(tmp_path: Path) -> None:
    job = ["--weights", DEMO_WEIGHTS, "--source", DEMO_SCENES, "--imgsz", 320, "--device", "cpu"]
    options = ["--augment", "--save-txt", "--save-crop", "--save-csv"]
    for more in ([], options):
        assert ended(RUN % (HEAVY,), *job, *more, "--project", tmp_path) == "exit 0;"


def test_neither_does_merging_nor_help(tmp_path: Path) -> None:
    for index in (0, 1):
        job = ["--demo", "--project", tmp_path, "--shard", f"{index}/2", "--exist-ok"]
        assert ended(RUN % (HEAVY,), *job) == "exit 0;"
    assert ended(RUN % (HEAVY,), "merge", tmp_path, "--project", tmp_path / "merged") == "exit 0;"
    assert ended(RUN % (HEAVY,), "--help") == "exit 0;"


LEAST = """
import sys
for name in ("onnx", "onnxruntime"):
    sys.modules[name] = None
import entrypoint.engines.torch, entrypoint.engines.gpu, entrypoint.detect.detector, entrypoint.weights.registry
import entrypoint.weights.checkpoint, entrypoint.models.yolov5.network
print("all")
"""


@pytest.mark.parametrize("module", ["entrypoint", "entrypoint.run.job", "entrypoint.weights.checkpoint"])
def test_no_room_imports_them_at_its_door(module: str) -> None:
    code = f"import sys, {module}; print('and', *(name for name in {HEAVY!r} if name in sys.modules))"
    assert ended(code) == "and"


def test_pytorch_opencv_numpy_and_click_are_enough_for_a_gpu() -> None:
    assert ended(LEAST) == "all"
