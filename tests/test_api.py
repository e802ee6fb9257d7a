"""Detection from Python: what a job finds, from a list of images."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from entrypoint import Detector
from entrypoint.api import Options
from entrypoint.errors import UsageError, WeightsError
from entrypoint.settings import Settings
from entrypoint.sources.samples import DEMO_IMGSZ, DEMO_SCENES, DEMO_WEIGHTS, bundled_images
from tests.classic import save_classic, tiny_model, tiny_names
from tests.conftest import ROOT, Ended, records


def scenes() -> dict[str, NDArray[np.uint8]]:
    """The demo's scenes by name, one of them in another shape."""
    images: dict[str, Any] = {path.name: cv2.imread(str(path)) for path in sorted(DEMO_SCENES.iterdir())}
    name = next(iter(images))
    return {**images, name: np.ascontiguousarray(images[name][:200])}


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import sys, entrypoint; assert not {'torch', 'cv2', 'numpy', 'onnxruntime', 'click'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_a_name_that_is_not_there_is_an_error_as_in_any_module() -> None:
    import entrypoint

    with pytest.raises(AttributeError, match="no attribute 'Detectors'"):
        entrypoint.Detectors  # noqa: B018


def test_its_detections_are_those_of_a_job(yolo_bac: Callable[..., Ended], tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name, image in scenes().items():
        cv2.imwrite(str(tmp_path / "in" / name), image)
    assert yolo_bac("--demo", "--source", tmp_path / "in", "--project", tmp_path, "--conf-thres", 0.3).code == 0
    detector = Detector(DEMO_WEIGHTS, imgsz=DEMO_IMGSZ, conf_thres=0.3)
    found = detector.detect(list(scenes().values()))
    ours = {
        name: [detection.to_json() for detection in detections.named(detector.names)]
        for name, detections in zip(scenes(), found, strict=True)
    }
    assert ours == {name: record["detections"] for name, record in records(tmp_path / "exp").items()}


def test_no_images_have_no_detections() -> None:
    assert Detector(DEMO_WEIGHTS).detect([]) == []


def test_images_that_are_made_one_by_one_are_each_looked_at() -> None:
    detector = Detector(DEMO_WEIGHTS, imgsz=DEMO_IMGSZ)
    assert len(detector.detect(iter(list(scenes().values())))) == len(scenes())


def test_options_are_those_of_the_command_line() -> None:
    assert Options.__annotations__.keys() <= Settings.__dataclass_fields__.keys()
    detector = Detector(DEMO_WEIGHTS, imgsz=(320, 320), classes=["circle", 2], max_det=1)
    found = detector.detect(list(scenes().values()))
    assert {name.name for one in found for name in one.named(detector.names)} == {"circle", "triangle"}
    assert max(map(len, found)) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"conf_thres": 1.5}, "conf_thres: '1.5' is not a number from 0 to 1"),
        ({"imgsz": 0}, "imgsz: '0' is not a size in pixels"),
        ({"classes": []}, "classes: '' names no class"),
        ({"classes": ["hexagon"]}, "hexagon: not among the 3"),
        ({"augment": "maybe"}, "augment: 'maybe' is neither true nor false"),
        ({"engine": "onnx", "device": "0"}, "runs on the CPU"),
    ],
)
def test_an_impossible_value_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=re.escape(words)):
        Detector(DEMO_WEIGHTS, **options)


def test_an_option_that_does_not_exist_is_refused() -> None:
    with pytest.raises(TypeError, match="no option save_txt; it has imgsz"):
        Detector(DEMO_WEIGHTS, save_txt=True)  # type: ignore[call-arg]


def test_weights_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "w.pt").write_text("a web page")
    with pytest.raises(WeightsError, match="plain text"):
        Detector(tmp_path / "w.pt")


@pytest.mark.parametrize(
    "image",
    [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 4), np.uint8), np.zeros((8, 8, 3)), np.zeros((0, 8, 3), np.uint8)],
    ids=lambda image: f"{image.shape} {image.dtype}",
)
def test_an_array_that_is_no_image_is_refused(image: NDArray[Any]) -> None:
    with pytest.raises(ValueError, match=r"image 0 is an array of shape .*; expected .*\(height, width, 3\) in uint8"):
        Detector(DEMO_WEIGHTS).detect([image])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([None], "NoneType, which cv2.imread gives"),
        (["bus.jpg"], "is of type str"),
        (np.zeros((8, 8, 3), np.uint8), "shape"),
    ],
    ids=["nothing", "path", "bare array"],
)
def test_what_is_no_array_is_refused(given: Any, said: str) -> None:
    with pytest.raises(ValueError, match=f"image 0 .*{said}"):
        Detector(DEMO_WEIGHTS).detect(given)


def run_the_example(folder: Path) -> str:
    """Run the page's example, as it stands there, in a folder with the photographs; gives what it prints."""
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "python.md").read_text(), re.DOTALL)
    for image in bundled_images().iterdir():
        (folder / image.name).symlink_to(image)
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{example}"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_example_of_the_page_runs(tmp_path: Path) -> None:
    save_classic({"model": tiny_model("person", "bus")}, tmp_path / "yolov5s.pt", tiny_names())
    assert run_the_example(tmp_path).count(" detections\n") == 2


def test_the_example_finds_the_people_and_the_bus(tmp_path: Path, data: Path) -> None:
    (tmp_path / "yolov5s.pt").symlink_to(data / "weights" / "yolov5n-coco.pt")
    printed = run_the_example(tmp_path)
    assert "\nbus 0." in printed and printed.count("\nperson 0.") >= 4
