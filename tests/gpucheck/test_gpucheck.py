"""scripts/gpu-check to its end on a CPU, in an environment that has only what it says it needs."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from entrypoint.models.yolov5.network import YoloV5
from entrypoint.sources.samples import DEMO_SCENES, DEMO_WEIGHTS
from entrypoint.values import Detection, Record
from scripts.gpucheck.architecture import SIZES, random_network
from scripts.gpucheck.parity import Difference
from scripts.gpucheck.report import Report
from tests.conftest import ROOT, records, start

# What cannot be imported there, beside whatever else is not named: all that the locks have but these five.
MISSING = (
    "onnx",
    "onnxruntime",
    "ultralytics",
    "torchvision",
    "av",
    "polars",
    "PIL",
    "pillow_heif",
    "backports.zstd",
    "hotcoco",
    "jinja2",
    "tqdm",
    "yaml",
    "matplotlib",
    "scipy",
    "pandas",
    "hypothesis",
)
BLOCKER = f"""
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if any(name == one or name.startswith(one + ".") for one in {MISSING!r}):
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
"""


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """An environment whose Python has PyTorch, OpenCV, NumPy and click alone."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(BLOCKER)
    return os.environ | {"PYTHONPATH": str(tmp_path / "site"), "PYTHON": sys.executable}


@pytest.fixture
def material(tmp_path: Path) -> Path:
    """Weights, images and what was found in them, laid out as scripts/gpu-check takes them; found by ONNX Runtime."""
    job = start("--weights", DEMO_WEIGHTS, "--source", DEMO_SCENES, "--imgsz", 320, "--project", tmp_path / "found")
    _, said = job.communicate(timeout=120)
    assert job.returncode == 0, said
    folder = tmp_path / "data"
    for name in ("weights", "images", "reference"):
        (folder / name).mkdir(parents=True)
    (folder / "weights" / "demo.pt").symlink_to(DEMO_WEIGHTS)
    for scene in DEMO_SCENES.iterdir():
        (folder / "images" / scene.name).symlink_to(scene)
    images = {file: _as_reference(record) for file, record in records(tmp_path / "found" / "exp").items()}
    reference = {"options": {"weights": "demo.pt", "imgsz": 320}, "images": images}
    (folder / "reference" / "default.json").write_text(json.dumps(reference))
    return folder


def _as_reference(record: dict[str, Any]) -> dict[str, Any]:
    found = [one | {"box": [round(side) for side in one["box"].values()]} for one in record["detections"]]
    return record | {"detections": found}


def test_it_runs_to_its_end_with_pytorch_opencv_numpy_and_click(
    bare: dict[str, str], material: Path, tmp_path: Path
) -> None:
    command = [str(ROOT / "scripts" / "gpu-check"), "--data", str(material), "--device", "cpu", "--quick"]
    command += ["--json", str(tmp_path / "report.json")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=bare, cwd=tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    report = json.loads((tmp_path / "report.json").read_bytes())
    assert report["passed"] and not report["failures"] and not report["skipped"]
    precisions = {row["what"].rpartition(", batch")[0] for row in report["parity"]}
    assert precisions == {"FP32, TF32 off", "FP32 as PyTorch has it", "FP16"}
    assert all(row["expected"] > 10 and not row["lost"] for row in report["parity"])
    assert report["memory"] == [{"what": "left out", "why": "no GPU"}]
    assert [row["passed"] for row in report["stopping"]] == [True] * 2
    assert all(row["1"] > 0 and row["2"] > 0 for row in report["network"]) and report["network"]
    assert all(row["images/s"] > 0 for row in report["job"]) and report["job"]
    assert "all checks passed" in ended.stdout
    assert len(ended.stdout.splitlines()) < 40


def test_without_a_gpu_it_says_so(bare: dict[str, str], material: Path) -> None:
    command = [str(ROOT / "scripts" / "gpu-check"), "--data", str(material), "--quick"]
    hidden = bare | {"CUDA_VISIBLE_DEVICES": ""}
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=hidden)
    assert ended.returncode == 1 and "found 0 CUDA devices here" in ended.stderr


def test_without_pytorch_it_names_what_it_needs(bare: dict[str, str], tmp_path: Path) -> None:
    blocker = tmp_path / "site" / "sitecustomize.py"
    blocker.write_text(BLOCKER.replace("'onnx',", "'onnx', 'torch',"))
    hidden = bare | {"PATH": "/usr/bin:/bin"}
    ended = subprocess.run(
        [ROOT / "scripts" / "gpu-check", "--help"], capture_output=True, text=True, check=False, env=hidden
    )
    assert ended.returncode == 1 and "no Python 3.11 with torch, cv2, numpy and click" in ended.stderr


@pytest.mark.parametrize(("size", "millions"), [("n", 1.87), ("s", 7.23)])
def test_the_architecture_has_the_published_number_of_weights(size: str, millions: float) -> None:
    network = random_network(size)
    assert isinstance(network, YoloV5) and size in SIZES
    kernels = sum(values.size for values in network.graph.constants.values() if values.ndim == 4)
    assert kernels / 1e6 == pytest.approx(millions, abs=0.03)


def test_an_error_in_a_check_is_its_failure_and_the_next_one_is_made(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise RuntimeError("CUDA error: an illegal memory access")

    report = Report(60)
    with report.checking("first"):
        fail()
    report.section("second", "Second")
    report.row("second", "a row", {"figure": 1.23456}, True)
    assert report.failures == ["first: RuntimeError: CUDA error: an illegal memory access"]
    assert not report.to_json()["passed"] and report.to_json()["second"][0]["figure"] == 1.23456
    assert "1.235" in capsys.readouterr().out


def record(*boxes: tuple[int, float, tuple[float, float, float, float]]) -> Record:
    return Record("a.jpg", 100, 100, tuple(Detection("x", class_id, conf, box) for class_id, conf, box in boxes))


def test_differences_are_counted_class_by_class() -> None:
    expected = [
        {"class": 0, "confidence": 0.9, "box": [10, 10, 50, 50]},
        {"class": 1, "confidence": 0.3, "box": [60, 60, 90, 90]},
    ]
    same, other = Difference(), Difference()
    same.add(record((0, 0.91, (10.25, 10, 50, 50)), (1, 0.3, (60, 60, 90, 90))), expected, 0.25)
    assert (same.lost, same.extra, same.sure, same.pixels) == (0, 0, 1, 0.25)
    assert same.confidence == pytest.approx(0.01)
    other.add(record((1, 0.9, (10, 10, 50, 50)), (1, 0.3, (60, 60, 90, 90))), expected, 0.25)
    assert (other.lost, other.extra, other.sure_lost) == (1, 1, 1)
