"""JSON is read the same by the faster reader and by the standard library, which decides what is wrong with it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoint import jsontext
from entrypoint.jsontext import compact, decoded

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), 1 << 63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), VALUES))
def test_what_was_written_is_read_back_with_its_types(value: dict[str, Any]) -> None:
    text = json.dumps(value).encode()
    assert repr(decoded(text)) == repr(value) == repr(decoded(text.decode()))


@pytest.mark.parametrize("text", [b"", b"[]", b'{"a": }', b'{"a": 1', b'"\xff"', b"[" * 100_000, b"\x00"])
def test_what_is_no_object_is_refused_in_the_same_words(text: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r".") as one:
        decoded(text)
    monkeypatch.setattr(jsontext, "_fast", json.loads)
    with pytest.raises(ValueError, match=r".") as other:
        decoded(text)
    assert str(one.value) == str(other.value)


def test_what_the_faster_reader_does_not_take_is_the_standard_librarys() -> None:
    assert repr(decoded(b'{"a": NaN, "b": -Infinity}')) == "{'a': nan, 'b': -inf}"
    assert decoded(b'{"a": "\\ud800"}') == {"a": "\ud800"}


@given(st.dictionaries(st.text(), VALUES))
def test_a_line_is_one_line_and_read_back(value: dict[str, Any]) -> None:
    assert b"\n" not in compact(value)
    assert repr(decoded(compact(value))) == repr(value)
