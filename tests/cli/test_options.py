"""Options of the command line and the environment: what they become, and what is refused as wrong usage."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from entrypoint.cli.command import command_for
from entrypoint.option import declared, option
from entrypoint.parse import fraction
from entrypoint.run import job
from entrypoint.settings import Settings
from entrypoint.sources.samples import DEMO_WEIGHTS
from scripts.reference.options import options as options_page
from tests.conftest import Ended

Run = Callable[..., Ended]
Parsed = Callable[..., Settings]


@pytest.mark.parametrize(
    ("arguments", "field", "value"),
    [
        ([], "imgsz", None),
        (["--imgsz", "320"], "imgsz", (320, 320)),
        (["--imgsz", "480", "640"], "imgsz", (480, 640)),
        (["--img", "480", "640", "--augment"], "imgsz", (480, 640)),
        (["--img-size", "480,640"], "imgsz", (480, 640)),
        (["--classes", "0", "2"], "classes", ("0", "2")),
        (["--classes", "person,sports ball"], "classes", ("person", "sports ball")),
        (["--nosave", "--classes", "person", "2", "--half"], "classes", ("person", "2")),
        (["--classes", "0 2"], "classes", ("0", "2")),
        (["--classes", "sports ball"], "classes", ("sports ball",)),
        ([], "classes", None),
        (["--conf-thres=0.3"], "conf_thres", 0.3),
        (["--name", "trial/exp"], "name", "trial/exp"),
        (["--accept-damaged"], "accept_damaged", True),
        ([], "accept_damaged", False),
        (["--batch-size", "auto"], "batch_size", None),
        (["--batch-size", "7"], "batch_size", 7),
        (["--project", "runs"], "project", Path("runs")),
        (["--data", "coco128.yaml"], "conf_thres", 0.25),
        (["--vid-stride", "2"], "vid_stride", 2),
        (["--no-resume"], "resume", False),
        (["--demo"], "weights", str(DEMO_WEIGHTS)),
        (["--demo"], "imgsz", (320, 320)),
        (["--demo", "--imgsz", "640"], "imgsz", (640, 640)),
        (["--demo", "--source", "x"], "source", "x"),
    ],
)
def test_options(parsed: Parsed, arguments: list[str], field: str, value: object) -> None:
    assert getattr(parsed(*arguments), field) == value


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        ("YOLO_BAC_CONF_THRES", "0.4", "conf_thres", 0.4),
        ("YOLO_BAC_IMGSZ", "480 640", "imgsz", (480, 640)),
        ("YOLO_BAC_CLASSES", "person,car", "classes", ("person", "car")),
        ("YOLO_BAC_CLASSES", "0 5", "classes", ("0", "5")),
        ("YOLO_BAC_CLASSES", "sports ball", "classes", ("sports ball",)),
        ("YOLO_BAC_NOSAVE", "1", "nosave", True),
        ("YOLO_BAC_NOSAVE", "off", "nosave", False),
        ("YOLO_BAC_PROJECT", "runs", "project", Path("runs")),
        ("YOLO_BAC_RESUME", "false", "resume", False),
    ],
)
def test_options_from_the_environment(
    parsed: Parsed,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    text: str,
    field: str,
    value: object,
) -> None:
    monkeypatch.setenv(variable, text)
    assert getattr(parsed(), field) == value


@pytest.mark.parametrize(
    "arguments",
    [
        ["--imgsz", "0"],
        ["--imgsz", "1", "2", "3"],
        ["--imgsz", "big"],
        ["--conf-thres", "1.5"],
        ["--conf-thres", "nan"],
        ["--batch-size", "0"],
        ["--batch-size", "many"],
        ["--max-det", "0"],
        ["--max-failures", "-1"],
        ["--time-budget", "nan"],
        ["--time-budget", "inf"],
        ["--time-budget", "1e999"],
        ["--time-budget", "0"],
        ["--classes", ""],
        ["--classes", ","],
        ["--engine", "tpu"],
        ["--unknown"],
        ["--demo", "--classes", "circle", "hexagon"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_code_2(yolo_bac: Run, tmp_path: Path, arguments: list[str]) -> None:
    ended = yolo_bac(*arguments, "--project", tmp_path / "out")
    assert ended.code == 2
    assert ended.stderr.startswith("yolo-bac: error: ")
    assert not (tmp_path / "out").exists()


OUTSIDE = ["../x", "..", "a/../b", "/absolute", ".", "./a", "a//b", "a/", ""]


@pytest.mark.parametrize("command", ["run", "merge"])
@pytest.mark.parametrize("name", OUTSIDE)
def test_a_name_that_is_not_below_the_project_is_wrong_usage(
    yolo_bac: Run, tmp_path: Path, name: str, command: str
) -> None:
    project = tmp_path / "deep" / "project"
    words = ["--demo"] if command == "run" else ["merge", tmp_path]
    ended = yolo_bac(*words, "--project", project, "--name", name)
    assert ended.code == 2
    assert f"Invalid value for '--name': {name!r}" in ended.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["run", "merge"])
def test_an_empty_project_is_wrong_usage(
    yolo_bac: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    words: list[object] = ["--demo"] if command == "run" else ["merge", tmp_path]
    assert yolo_bac(*words, "--project", "").code == 2
    monkeypatch.setenv("YOLO_BAC_PROJECT", "")
    assert yolo_bac(*words).code == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("YOLO_BAC_NOSAVE", "maybe"),
        ("YOLO_BAC_NAME", "../x"),
        ("YOLO_BAC_CLASSES", ""),
        ("YOLO_BAC_TIME_BUDGET", "inf"),
        ("YOLO_BAC_LOG_FORMAT", "xml"),
    ],
)
def test_wrong_usage_in_the_environment_names_the_variable(
    yolo_bac: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, text: str
) -> None:
    monkeypatch.setenv(variable, text)
    ended = yolo_bac("--demo", "--project", tmp_path / "out")
    assert ended.code == 2
    assert variable in ended.stderr.splitlines()[0]


@pytest.mark.parametrize("words", [["--log-format", "json"], ["--log-format=json"], ["--log", "json"], []])
def test_wrong_usage_is_a_json_line_where_that_is_the_log_format(
    yolo_bac: Run, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    if not words:
        monkeypatch.setenv("YOLO_BAC_LOG_FORMAT", "json")
    ended = yolo_bac("--conf-thres", "2", *words)
    assert ended.code == 2
    (line,) = map(json.loads, ended.stderr.splitlines())
    assert line["level"] == "error" and "'--conf-thres'" in line["message"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MoreSettings(Settings):
    """The settings with one more option, declared as the others are."""

    least_contrast: float = option(
        0.5, parse=fraction, metavar="0..1", decides=True, help="The lowest contrast of an image that is looked at."
    )


def test_one_declaration_makes_an_option_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[MoreSettings] = []

    def remember(settings: MoreSettings, *rest: object) -> int:
        seen.append(settings)
        return 0

    def given(*words: str) -> MoreSettings:
        with pytest.raises(SystemExit) as end:
            command.main(words, prog_name="yolo-bac")
        assert end.value.code == 0
        return seen.pop()

    monkeypatch.setattr(job, "run", remember)
    command = command_for(MoreSettings)
    assert given().least_contrast == 0.5
    assert given("--least-contrast", "0.25").least_contrast == 0.25
    assert given("--least", "0.125").result_settings()["least_contrast"] == 0.125
    monkeypatch.setenv("YOLO_BAC_LEAST_CONTRAST", "1")
    assert given().least_contrast == 1
    (declaration,) = [one for one in declared(MoreSettings) if one.name == "least_contrast"]
    assert "`--least-contrast 0..1`" in options_page(MoreSettings)
    with command.make_context("yolo-bac", [], resilient_parsing=True) as context:
        assert declaration.help in " ".join(command.get_help(context).split())


def test_the_identity_of_a_run_holds_every_option_that_decides_its_results() -> None:
    left_to_yolov5 = {"imgsz": (640, 640), "iou_thres": 0.45, "max_det": 1000}
    assert Settings(imgsz=(320, 640), classes=("0",)).filled(**left_to_yolov5).result_settings() == {
        "imgsz": [320, 640],
        "conf_thres": 0.25,
        "iou_thres": 0.45,
        "max_det": 1000,
        "half": False,
        "engine": "auto",
        "classes": ["0"],
        "agnostic_nms": False,
        "multi_label": False,
        "augment": False,
        "save_txt": False,
        "save_conf": False,
        "save_crop": False,
        "save_csv": False,
        "save_frames": False,
        "nosave": False,
        "vid_stride": 1,
        "format": [],
        "image_url": "/data/local-files/?d=",
        "report": True,
        "quality": 95,
        "line_thickness": 3,
        "hide_labels": False,
        "hide_conf": False,
        "palette": "bright",
        "accept_damaged": False,
        "exif": "none",
    }
