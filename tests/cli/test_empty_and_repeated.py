"""An empty value, as a variable that is not set leaves it, is wrong usage; so is a repeated one that loses inputs."""

from collections.abc import Callable

import pytest

from entrypoint import Detector
from entrypoint.errors import UsageError
from entrypoint.settings import Settings
from tests.conftest import Ended

Run = Callable[..., Ended]
EMPTY = "this one is empty (by a variable that is not set?)"


@pytest.mark.parametrize("option", ["--source", "--weights", "--previous", "--project"])
def test_an_empty_path_is_wrong_usage(yolo_bac: Run, option: str) -> None:
    for words in ((f"{option}=",), (option, "")):
        ended = yolo_bac(*words)
        assert ended.code == 2 and not ended.stdout
        assert EMPTY in ended.stderr or "an empty word is no value" in ended.stderr


@pytest.mark.parametrize("name", ["SOURCE", "WEIGHTS", "PREVIOUS"])
def test_an_empty_variable_is_wrong_usage(yolo_bac: Run, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"YOLO_BAC_{name}", "")
    ended = yolo_bac()
    assert ended.code == 2 and EMPTY in ended.stderr and f"YOLO_BAC_{name}" in ended.stderr


@pytest.mark.parametrize("words", [("a.pt", ""), ("", "a.pt"), ("a.pt", "", "b.pt")])
def test_an_empty_one_of_several_weights_is_wrong_usage(yolo_bac: Run, words: tuple[str, ...]) -> None:
    ended = yolo_bac("--weights", *words)
    assert ended.code == 2 and "an empty word is no value" in ended.stderr


def test_weights_in_a_variable_may_end_in_a_line_break_and_hold_no_empty_line(
    parsed: Callable[..., Settings], yolo_bac: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YOLO_BAC_WEIGHTS", "a.pt\nb c.pt\n")
    assert parsed().weights == "a.pt\nb c.pt"
    monkeypatch.setenv("YOLO_BAC_WEIGHTS", "a.pt\n\nb.pt")
    assert yolo_bac().code == 2


@pytest.mark.parametrize(
    "words",
    [
        ("--source", "a", "--source", "b"),
        ("--source=a", "--sour", "b"),
        ("--weights", "a.pt", "--weights", "b.pt"),
        ("--classes", "0", "--classes", "2"),
        ("--classes=0", "--class", "2"),
    ],
)
def test_an_option_that_would_lose_inputs_is_given_once(yolo_bac: Run, words: tuple[str, ...]) -> None:
    ended = yolo_bac(*words)
    assert ended.code == 2 and "is given twice, and one would be ignored; name " in ended.stderr


def test_of_other_options_the_last_counts_as_in_detect_py(parsed: Callable[..., Settings]) -> None:
    settings = parsed(
        "--conf-thres", "0.1", "--conf", "0.5", "--name", "a", "--name", "b", "--imgsz", 320, "--img", 640
    )
    assert (settings.conf_thres, settings.name, settings.imgsz) == (0.5, "b", (640, 640))


def test_a_variable_gives_way_to_the_command_line(
    parsed: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YOLO_BAC_SOURCE", "a")
    assert parsed("--source", "b").source == "b"


@pytest.mark.parametrize(
    "words",
    [
        ("merge", ""),
        ("inspect", ""),
        ("convert", "", "--to", "onnx"),
        ("evaluate", "", "--truth", "x"),
        ("evaluate", "x", "--truth", ""),
        ("compare", "", "x"),
        ("convert-results", "", "--format", "csv"),
    ],
)
def test_an_empty_path_is_not_the_current_folder(yolo_bac: Run, words: tuple[str, ...]) -> None:
    ended = yolo_bac(*words)
    assert ended.code == 2 and EMPTY in ended.stderr


def test_an_empty_device_means_what_it_means_in_detect_py(parsed: Callable[..., Settings]) -> None:
    assert parsed("--device", "").device == parsed().device


def test_empty_weights_from_python() -> None:
    with pytest.raises(UsageError, match="weights: a path is expected, and this one is empty"):
        Detector("")
