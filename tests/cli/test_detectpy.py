"""Arguments written for detect.py: shortened options, and options that have no use here."""

from collections.abc import Callable
from pathlib import Path

import pytest

from entrypoint.settings import Settings
from tests.conftest import Ended

Run = Callable[..., Ended]
Parsed = Callable[..., Settings]


@pytest.mark.parametrize(
    ("arguments", "field", "value"),
    [
        (["--conf", "0.4"], "conf_thres", 0.4),
        (["--conf=0.4"], "conf_thres", 0.4),
        (["--iou", "0.6"], "iou_thres", 0.6),
        (["--max", "7"], "max_det", 7),  # not --max-failures, which detect.py does not have
        (["--no"], "nosave", True),  # not --no-resume
        (["--im", "320"], "imgsz", (320, 320)),  # --img, --imgsz and --img-size are one option
        (["--img", "320"], "imgsz", (320, 320)),  # whole, although others begin with it
        (["--class", "0", "2", "--agn"], "classes", ("0", "2")),
        (["--max-f", "3"], "max_failures", 3),
        (["--no-res"], "resume", False),
        (["--name", "--conf"], "name", "--conf"),  # a value is not shortened
    ],
)
def test_options_may_be_shortened(parsed: Parsed, arguments: list[str], field: str, value: object) -> None:
    assert getattr(parsed(*arguments), field) == value


@pytest.mark.parametrize(
    ("word", "candidates"),
    [
        ("--save", ["--save-txt", "--save-conf", "--save-crop", "--save-csv"]),
        ("--hide", ["--hide-labels", "--hide-conf"]),
        ("--d", ["--device", "--data", "--dnn"]),
    ],
)
def test_a_shortened_option_that_may_be_several_is_wrong_usage(yolo_bac: Run, word: str, candidates: list[str]) -> None:
    ended = yolo_bac(word, "x")
    assert ended.code == 2
    assert all(candidate in ended.stderr.splitlines()[0] for candidate in candidates)


@pytest.mark.parametrize("option", ["--view-img", "--update", "--dnn"])
def test_an_option_without_a_use_here_is_answered_and_the_run_goes_on(
    yolo_bac: Run, tmp_path: Path, option: str
) -> None:
    ended = yolo_bac("--demo", option, "--project", tmp_path)
    assert ended.code == 0
    assert f"yolo-bac: {option} " in ended.stderr


def test_an_option_whose_results_are_not_offered_is_wrong_usage(yolo_bac: Run) -> None:
    ended = yolo_bac("--demo", "--visualize")
    assert ended.code == 2
    assert "--visualize writes pictures of the network's feature maps in detect.py" in ended.stderr.splitlines()[0]
