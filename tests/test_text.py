"""What is safe to print: one line, and nothing in it that a terminal obeys."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoint.text import shown


@given(st.text(st.characters(codec=None)))
def test_nothing_that_is_shown_is_obeyed_by_a_terminal(text: str) -> None:
    safe = shown(text)
    assert not {unicodedata.category(character) for character in safe} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    safe.encode()


@pytest.mark.parametrize(
    "text", ["a/b c.jpg", "Überraschung.png", "写真 1.jpg", "צילום.png", "café", "sports ball", "🚌", "ひ\u3000と"]
)
def test_what_a_person_can_read_stays(text: str) -> None:
    assert shown(text) == text


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("a\nb", r"a\nb"),
        ("a\rb", r"a\rb"),
        ("\x1b[2J", r"\x1b[2J"),
        ("\x9b2J", r"\x9b2J"),  # the same in one character
        ("gpj.\u202eexe", r"gpj.\u202eexe"),  # turns around what follows
        ("\u2066x\u2069", r"\u2066x\u2069"),
        ("a\u2028b", r"a\u2028b"),
        ("\udce9.jpg", r"\xe9.jpg"),  # a byte that is not UTF-8
        ("\ud800", r"\ud800"),
    ],
)
def test_what_nobody_can_see_is_written_out(text: str, safe: str) -> None:
    assert shown(text) == safe
