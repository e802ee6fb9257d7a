"""The command: what it answers without work, how it reads options, which exit code means what."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from entrypoint import __version__
from entrypoint.errors import WeightsError
from entrypoint.run import plan, source
from entrypoint.sources.samples import DEMO_SCENES, DEMO_WEIGHTS, bundled_images
from entrypoint.weights.find import find_weights
from tests.classic import save_classic, tiny_model, tiny_names
from tests.conftest import ROOT, Ended, records

Run = Callable[..., Ended]


@pytest.mark.parametrize(
    ("option", "expected"), [("--help", "Usage: yolo-bac"), ("--version", f"version {__version__}")]
)
def test_answers_without_importing_torch(option: str, expected: str) -> None:
    code = (
        "import sys; from entrypoint.cli.command import command\n"
        f"try: command.main([{option!r}], prog_name='yolo-bac')\n"
        "except SystemExit as end: assert not end.code\n"
        "assert not {'torch', 'cv2', 'numpy', 'ultralytics'} & sys.modules.keys()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert expected in done.stdout


def demo(*arguments: object) -> list[object]:
    return ["--weights", DEMO_WEIGHTS, "--source", DEMO_SCENES, "--imgsz", 320, *arguments]


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ({"--weights": "nowhere.pt"}, 3, "'nowhere.pt': there is no such file, nor one of that name under /inputs"),
        ({"--weights": "README.md"}, 3, "plain text; expected a YOLOv5 checkpoint"),
        ({"--source": "nowhere"}, 4, "'nowhere' does not exist; expected"),
        ({"--source": "rtsp://camera/1"}, 4, "streams and cameras are not read"),
        ({"--source": "scripts"}, 4, "holds no images (ignored:"),
        ({"--source": "docs/*.nothing"}, 4, "'docs/*.nothing' matches no images; expected at least one"),
        ({"--project": "README.md/out"}, 6, "cannot write README.md/out: Not a directory"),
        ({"--project": "/proc/out"}, 6, "expected a writable output folder"),
        ({"--device": "7"}, 7, "--device 7: found"),
        ({"--device": "tpu"}, 7, "expected 'cpu', or numbers below that count"),
    ],
)
def test_errors_lead_with_the_diagnosis(
    yolo_bac: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, str], code: int, words: str
) -> None:
    monkeypatch.chdir(ROOT)
    usual = {"--weights": DEMO_WEIGHTS, "--source": DEMO_SCENES, "--imgsz": 320, "--project": tmp_path / "out"}
    ended = yolo_bac(*(word for option in (usual | options).items() for word in option))
    assert ended.code == code
    first = ended.stderr.splitlines()[0]
    assert first.startswith("yolo-bac: error: ")
    assert words in first
    assert ended.stdout == ""
    assert not (tmp_path / "out").exists()


def test_a_defect_is_exit_code_1(yolo_bac: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "find_weights", lambda *_: 1 / 0)
    ended = yolo_bac(*demo("--project", tmp_path))
    assert ended.code == 1
    assert (
        ended.stderr.splitlines()[0] == "yolo-bac: error: a defect of this program: ZeroDivisionError: division by zero"
    )
    assert "Traceback" in ended.stderr


def test_json_log_lines(yolo_bac: Run, tmp_path: Path) -> None:
    ended = yolo_bac(*demo("--project", tmp_path, "--log-format", "json"))
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    assert {"time", "level", "message"} == lines[0].keys()
    assert any("sha256" in line["message"] for line in lines)


def test_the_summary_is_all_of_stdout(yolo_bac: Run, tmp_path: Path) -> None:
    ended = yolo_bac(*demo("--project", tmp_path))
    lines = ended.stdout.splitlines()
    assert lines[0] == "6 images, 14 detections."
    assert lines[1] == f"Results: {tmp_path / 'exp'}"


def test_bundled_samples_are_the_last_resort(yolo_bac: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("INPUTS", "DATASETS"):
        monkeypatch.setattr(source, name, tmp_path / "absent")
    ended = yolo_bac("--weights", DEMO_WEIGHTS, "--project", tmp_path)
    assert ended.code == 0, ended.stderr
    assert {"bus.jpg", "zidane.jpg"} <= records(tmp_path / "exp").keys()
    assert {path.name for path in bundled_images().iterdir()} >= {"bus.jpg", "zidane.jpg"}


def test_an_empty_dataset_is_success_said_loudly(
    yolo_bac: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "datasets").mkdir()
    monkeypatch.setattr(source, "DATASETS", tmp_path / "datasets")
    ended = yolo_bac("--weights", DEMO_WEIGHTS, "--project", tmp_path / "out")
    assert ended.code == 0
    assert ended.stdout.startswith("Nothing to do: the source holds no media.")
    assert "warning: the source is empty" in ended.stderr
    assert records(tmp_path / "out" / "exp") == {}


def test_media_under_inputs_beside_the_weights(yolo_bac: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    (inputs / "1b9d6bcd").write_bytes(DEMO_WEIGHTS.read_bytes())
    (inputs / "scene without suffix").write_bytes((DEMO_SCENES / "scene-1.png").read_bytes())
    for module in (plan, source):
        monkeypatch.setattr(module, "INPUTS", inputs)
    monkeypatch.setattr(source, "DATASETS", tmp_path / "absent")
    ended = yolo_bac("--imgsz", 320, "--project", tmp_path)
    assert ended.code == 0, ended.stderr
    assert records(tmp_path / "exp").keys() == {"scene without suffix"}
    assert (tmp_path / "exp" / "images" / "scene without suffix.jpg").is_file()


def test_several_weights_are_listed_with_how_to_choose(yolo_bac: Run, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "first").write_bytes(DEMO_WEIGHTS.read_bytes())
    (tmp_path / "in" / "same as first").write_bytes(DEMO_WEIGHTS.read_bytes())
    save_classic({"model": tiny_model("a", "b")}, tmp_path / "in" / "other", tiny_names())
    ended = yolo_bac("--weights", tmp_path / "in", "--source", DEMO_SCENES, "--project", tmp_path)
    assert ended.code == 3
    first, *rows = ended.stderr.splitlines()
    assert "2 models under" in first and f"--weights {tmp_path / 'in' / 'first'}" in first
    assert ["3 classes" in row for row in rows] == [True, False]
    assert "2 classes" in rows[1] and "torch checkpoint" in rows[1] and "sha256" in rows[1]


def test_classes_by_name_and_by_id(yolo_bac: Run, tmp_path: Path) -> None:
    def found(*classes: object) -> set[str]:
        project = tmp_path / "-".join(map(str, classes))
        assert yolo_bac(*demo("--project", project, "--classes", *classes)).code == 0
        return {d["name"] for record in records(project / "exp").values() for d in record["detections"]}

    assert found("circle", "2") == {"circle", "triangle"}
    assert found("square") == found(1) == {"square"}


def test_python_m_entrypoint_is_the_same_command(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "entrypoint", "--version"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"yolo-bac, version {__version__}\n"


def test_importing_the_job_starts_nothing() -> None:
    code = (
        "import sys, threading\n"
        "import entrypoint.run.job\n"
        "assert 'ultralytics' not in sys.modules\n"
        "assert threading.active_count() == 1"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.parametrize("option", ["--weights", "--source", "--project"])
def test_paths_that_are_not_unicode(tmp_path: Path, option: str) -> None:
    odd = os.fsencode(tmp_path) + b"/\xe9"
    given: dict[str, Any] = {"--weights": DEMO_WEIGHTS, "--source": DEMO_SCENES, "--project": tmp_path / "out"}
    if option == "--weights":
        Path(os.fsdecode(odd)).write_bytes(DEMO_WEIGHTS.read_bytes())
    elif option == "--source":
        Path(os.fsdecode(odd)).mkdir()
        Path(os.fsdecode(odd + b"/a.png")).write_bytes((DEMO_SCENES / "scene-1.png").read_bytes())
    given[option] = odd
    words = [os.fsencode(word) for pair in given.items() for word in pair]
    done = subprocess.run(
        [os.fsencode(sys.executable), b"-m", b"entrypoint", *words], cwd=ROOT, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    status = Path(os.fsdecode(given["--project"])) / "exp" / "status.json"
    assert ("\\xe9" in status.read_text("utf-8")) is True


def test_a_name_that_fits_several_weights_is_an_error(tmp_path: Path) -> None:
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
    (tmp_path / "a" / "w.pt").write_bytes(DEMO_WEIGHTS.read_bytes())
    save_classic({"model": tiny_model("a", "b")}, tmp_path / "b" / "w.pt", tiny_names())
    with pytest.raises(WeightsError, match=r"2 models under the name w\.pt"):
        find_weights("w.pt", (tmp_path,))
    assert find_weights("b/w.pt", (tmp_path,)).path == tmp_path / "b" / "w.pt"


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_a_closed_stream_is_no_failure(tmp_path: Path, closed: str) -> None:
    number = {"stdout": 1, "stderr": 2}[closed]
    command = [sys.executable, "-m", "entrypoint", *map(str, demo("--project", tmp_path))]
    done = subprocess.run(["sh", "-c", f'exec "$@" {number}>&-', "sh", *command], cwd=ROOT, check=False)
    assert done.returncode == 0
    assert len(records(tmp_path / "exp")) == 6


@pytest.mark.parametrize(
    ("variable", "value", "code"),
    [
        ("OPENCV_IO_MAX_IMAGE_PIXELS", "many", 2),
        ("OPENCV_IO_MAX_IMAGE_PIXELS", "", 2),
        ("YOLO_BAC_VERSION", "1.0.0", 0),
        ("YOLO_BAC_CONF_THRES", "nan", 2),
        ("YOLO_BAC_IMGSZ", "²", 2),
        ("YOLO_BAC_BATCH_SIZE", "²", 2),
        ("YOLO_BAC_DEVICE", "²", 7),
        ("YOLO_BAC_WEIGHTS", "", 2),
    ],
)
def test_odd_environments(
    yolo_bac: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, code: int
) -> None:
    monkeypatch.setenv(variable, value)
    monkeypatch.setattr(plan, "INPUTS", DEMO_WEIGHTS)
    assert (
        yolo_bac(
            "--source", DEMO_SCENES, "--imgsz" if "IMGSZ" not in variable else "--name", 320, "--project", tmp_path
        ).code
        == code
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--wieghts", "x"], "No such option '--wieghts'"),
        (["--conf-thres", "2"], "'--conf-thres': '2' is not a number from 0 to 1"),
        (["merge"], "Missing argument 'DIR...'"),
        (["photo.jpg"], "No such command 'photo.jpg'; images are named with --source"),
        (["--source", "a.jpg", "b.jpg"], "No such command 'b.jpg'; images are named with --source"),
        (["convert", "best.pt"], "Missing option '--to'. Choose from: safe-pt, onnx"),
    ],
)
def test_wrong_usage_is_said_in_the_first_line(yolo_bac: Run, arguments: list[str], words: str) -> None:
    ended = yolo_bac(*arguments)
    assert ended.code == 2
    assert words in ended.stderr.splitlines()[0]
    assert "yolo-bac --help" in ended.stderr.splitlines()[0]
