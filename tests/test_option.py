"""Declarations of options: what a field says, and how the values of a Python program are checked."""

from dataclasses import dataclass
from typing import Any, Literal

import pytest

from entrypoint.errors import UsageError
from entrypoint.option import MERGE, RUN, Option, declared, option
from entrypoint.parse import classes, whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """One option of each kind, and a field that is none."""

    most_boxes: int = option(3, parse=whole(1, 9), commands=(RUN, MERGE), default_of={MERGE: 5}, help="A number.")
    colour: Literal["red", "blue"] = option("red", help="A choice.")
    quiet: bool = option(False, help="A switch that is off.")
    tidy: bool = option(True, help="A switch that is on.")
    only: tuple[str, ...] | None = option(None, parse=classes, default_text="all", help="A list.")
    started: float = 0.0


OPTIONS: dict[str, Option] = {one.name: one for one in declared(Declared)}


def test_fields_that_are_options_are_found_in_their_order() -> None:
    assert list(OPTIONS) == ["most_boxes", "colour", "quiet", "tidy", "only"]
    assert Declared(quiet=True).most_boxes == 3


def test_an_option_knows_its_words_and_its_variable() -> None:
    assert OPTIONS["most_boxes"].words == ("--most-boxes",)
    assert OPTIONS["most_boxes"].variable == "YOLO_BAC_MOST_BOXES"
    assert [OPTIONS[name].off_word for name in ("quiet", "tidy")] == [None, "--no-tidy"]


def test_a_default_may_differ_in_one_command() -> None:
    assert [OPTIONS["most_boxes"].shown_default(command) for command in (RUN, MERGE)] == ["3", "5"]


def test_defaults_are_shown_as_a_person_reads_them() -> None:
    assert [one.shown_default() for one in OPTIONS.values()] == ["3", "red", "", "on", "all"]


@pytest.mark.parametrize(
    ("name", "value", "checked"),
    [
        ("most_boxes", 4, 4),
        ("colour", "blue", "blue"),
        ("quiet", True, True),
        ("only", ["0", "bus"], ("0", "bus")),
        ("only", (1, 2), ("1", "2")),
        ("only", None, None),
    ],
)
def test_values_of_a_program_are_taken(name: str, value: Any, checked: Any) -> None:
    assert OPTIONS[name].checked(value) == checked


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("most_boxes", 10),
        ("most_boxes", 4.5),
        ("most_boxes", None),
        ("most_boxes", True),
        ("colour", "green"),
        ("quiet", "maybe"),
        ("only", []),
    ],
)
def test_values_of_a_program_are_refused_as_on_the_command_line(name: str, value: Any) -> None:
    with pytest.raises(UsageError, match=f"^{name}: "):
        OPTIONS[name].checked(value)
