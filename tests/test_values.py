"""Records as typed values: what becomes JSON comes back the same, and what is no record is refused with the reason."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoint.exif import Exif
from entrypoint.jsontext import compact
from entrypoint.values import Detection, Failure, Record
from tests.schemas import assert_valid

WIDTH, HEIGHT = 640, 480


def detections() -> st.SearchStrategy[Detection]:
    x = st.lists(st.floats(0, WIDTH), min_size=2, max_size=2).map(sorted)
    y = st.lists(st.floats(0, HEIGHT), min_size=2, max_size=2).map(sorted)
    names = st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
    return st.builds(
        lambda name, class_id, confidence, x, y: Detection(name, class_id, confidence, (x[0], y[0], x[1], y[1])),
        *(names, st.integers(0, 100), st.floats(0, 1), x, y),
    )


@given(st.lists(detections(), max_size=4))
def test_a_record_comes_back_from_its_json(found: list[Detection]) -> None:
    record = Record("a/b ü.jpg", WIDTH, HEIGHT, tuple(found), sha256="0f" * 32)
    assert Record.from_json(json.loads(compact(record.to_json()))) == record


@pytest.mark.parametrize("exif", [Exif(), Exif("2026:05:31 18:00:05"), Exif(None, -33.5, 151.25)])
def test_a_record_with_exif_comes_back_from_its_json(exif: Exif) -> None:
    record = Record("x.jpg", WIDTH, HEIGHT, (), exif=exif)
    plain = json.loads(compact(record.to_json()))
    assert_valid(plain, "record")
    assert Record.from_json(plain) == record


def test_a_failed_record_comes_back_from_its_json() -> None:
    record = Record.failed("x.jpg", Failure("damaged", "two\nlines: of it"))
    assert Record.from_json(json.loads(compact(record.to_json()))) == record


DETECTION: dict[str, Any] = {
    "name": "a",
    "class": 0,
    "confidence": 0.5,
    "box": {"x1": 1.0, "y1": 2.0, "x2": 3.0, "y2": 4.0},
}
RECORD: dict[str, Any] = {"file": "x.jpg", "width": 8, "height": 8, "detections": [DETECTION], "failure": None}

DAMAGED: list[tuple[str, Any]] = [
    # what it must say, the value
    ("expected an object", []),
    ("expected an object", None),
    ("expected a string", RECORD | {"file": 3}),
    ("not a name below", RECORD | {"file": "../x.jpg"}),
    ("not a name below", RECORD | {"file": "/x.jpg"}),
    ("not a name below", RECORD | {"file": "a//x.jpg"}),
    ("not a name below", RECORD | {"file": ""}),
    ("not a name below", RECORD | {"file": "a\0b"}),
    ("not valid Unicode", RECORD | {"file": "\ud800"}),
    ("width", RECORD | {"width": 0}),
    ("height", RECORD | {"height": "8"}),
    ("width", RECORD | {"width": True}),
    ("expected a list", RECORD | {"detections": None}),
    ("expected a list", RECORD | {"detections": {}}),
    ("kind: detail", RECORD | {"detections": None, "failure": "what"}),
    ("kind: detail", RECORD | {"detections": None, "failure": 5}),
    ("has detections", RECORD | {"failure": "damaged: it"}),
    ("64 hexadecimal digits", RECORD | {"sha256": "0F" * 32}),
    ("64 hexadecimal digits", RECORD | {"sha256": 5}),
    ("datetime", RECORD | {"datetime": 5}),
    ("datetime", RECORD | {"datetime": "2026-05-31 18:00:05"}),
    ("datetime", RECORD | {"datetime": "2026:13:31 18:00:05"}),
    ("latitude", RECORD | {"datetime": None, "latitude": 90.5, "longitude": 0}),
    ("longitude", RECORD | {"datetime": None, "latitude": 90, "longitude": None}),
    ("finite", RECORD | {"datetime": None, "latitude": float("nan"), "longitude": 0}),
    ("box is None", RECORD | {"detections": [{key: DETECTION[key] for key in ("name", "class", "confidence")}]}),
    ("finite", RECORD | {"detections": [DETECTION | {"confidence": float("nan")}]}),
    ("from 0 to 1", RECORD | {"detections": [DETECTION | {"confidence": 1.5}]}),
    ("class", RECORD | {"detections": [DETECTION | {"class": -1}]}),
    ("class", RECORD | {"detections": [DETECTION | {"class": 0.5}]}),
    ("name", RECORD | {"detections": [DETECTION | {"name": None}]}),
    ("finite", RECORD | {"detections": [DETECTION | {"box": {"x1": float("inf"), "y1": 0, "x2": 1, "y2": 1}}]}),
    ("not inside", RECORD | {"detections": [DETECTION | {"box": {"x1": 3, "y1": 0, "x2": 1, "y2": 1}}]}),
    ("not inside", RECORD | {"detections": [DETECTION | {"box": {"x1": 3, "y1": 0, "x2": 9, "y2": 1}}]}),
]


@pytest.mark.parametrize(("words", "value"), DAMAGED)
def test_what_is_no_record_is_refused_with_the_reason(words: str, value: Any) -> None:
    with pytest.raises(ValueError, match=words):
        Record.from_json(value)
