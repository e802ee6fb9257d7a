"""Class names of every script: drawn, or spelled in Latin letters, never as question marks."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoint.results.lettering import drawable


@pytest.mark.parametrize(
    ("name", "drawn"),
    [
        ("person", "person"),
        ("really?", "really?"),
        ("ünï cødé", "ünï cødé"),
        ("дом", "дом"),
        ("🐕", "dog"),
        ("🐕 dog", "dog"),
        ("red 🚗!", "red automobile !"),
        ("สุนัข", "sunakh"),
        ("हिन्दी", "hindii"),
        ("a\nb\tc", "a b c"),
        ("a\x00\x1b[31m", "a[31m"),
        ("\ufeff", "class 7"),
        ("", "class 7"),
    ],
)
def test_a_name_is_drawn_or_spelled(name: str, drawn: str) -> None:
    assert drawable(name, "class 7") == drawn or (name == "" and drawable(name, "class 7") == "")


@given(st.text(max_size=12))
def test_no_name_is_drawn_with_question_marks_that_it_does_not_have(name: str) -> None:
    text = drawable(name, "class 7")
    assert text.count("?") <= name.count("?")
    for letter in text:
        canvases = np.zeros((2, 64, 64), np.uint8)
        for canvas, shown in zip(canvases, (letter, "?"), strict=True):
            cv2.putText(canvas, shown, (8, 48), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 255, 1)
        assert letter == "?" or not np.array_equal(*canvases)
