"""What changed between two runs."""

import json
import tracemalloc
from dataclasses import replace

import pytest

from entrypoint.evaluate.compare import as_json, as_text, compare
from entrypoint.values import Detection, Failure, Record
from tests.evaluate.scenes import scenes

BOX = (10.0, 10.0, 50.0, 50.0)
PERSON = Detection("person", 0, 0.8, BOX)


def record(*found: Detection, file: str = "a.jpg") -> Record:
    """An input in which these were found."""
    return Record(file, 100, 100, found)


def test_a_run_is_identical_to_itself() -> None:
    _, records = scenes(50)
    comparison = compare(records, records)
    assert comparison.identical_inputs == comparison.inputs == 50
    assert not comparison.gained and not comparison.lost and not comparison.largest
    assert comparison.same == sum(len(one.detections or ()) for one in records)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (replace(PERSON, box=(10.0, 10.0, 50.0, 49.9)), "same"),
        (replace(PERSON, box=(10.0, 10.0, 50.0, 45.0)), "moved"),
        (replace(PERSON, confidence=0.7), "other_confidence"),
        (replace(PERSON, confidence=0.7, box=(10.0, 10.0, 50.0, 45.0)), "moved"),
    ],
)
def test_an_object_that_both_runs_found_is_counted_once(other: Detection, expected: str) -> None:
    counts = as_json(compare([record(PERSON)], [record(other)]))["detections"]
    assert {key: counts[key] for key in ("same", "moved", "other_confidence")} == {
        key: int(key == expected) for key in ("same", "moved", "other_confidence")
    }
    assert not counts["gained"] and not counts["lost"]


@pytest.mark.parametrize(
    "other",
    [replace(PERSON, name="dog"), replace(PERSON, box=(60.0, 60.0, 90.0, 90.0)), replace(PERSON, frame=3, time=0.1)],
    ids=["another class", "another place", "another frame"],
)
def test_another_object_is_one_lost_and_one_gained(other: Detection) -> None:
    comparison = compare([record(PERSON)], [record(other)])
    assert comparison.lost == {"person": 1} and comparison.gained == {other.name: 1}
    assert comparison.largest[0].file == "a.jpg"


def test_two_objects_that_overlap_are_each_taken_for_itself() -> None:
    beside = replace(PERSON, box=(15.0, 10.0, 55.0, 50.0), confidence=0.9)
    assert compare([record(beside, PERSON)], [record(PERSON, beside)]).same == 2


def test_inputs_and_failures_that_differ_are_named() -> None:
    failed = Record.failed("b.jpg", Failure("damaged", "x"))
    first = [record(PERSON), failed, record(file="c.jpg")]
    second = [record(PERSON), record(file="b.jpg"), record(file="d.jpg")]
    comparison = compare(first, second, ({"conf_thres": 0.25, "imgsz": 640}, {"conf_thres": 0.5, "imgsz": 640}))
    assert (comparison.only_first, comparison.only_second) == (["c.jpg"], ["d.jpg"])
    assert [change.failure for change in comparison.failures] == ["damaged: x → looked at"]
    assert comparison.differing == {"conf_thres": (0.25, 0.5)}
    text = as_text(comparison)
    assert "c.jpg" in text and "d.jpg" in text and "damaged: x" in text and "conf_thres: 0.25" in text
    json.dumps(as_json(comparison), allow_nan=False)


def test_the_inputs_that_differ_most_come_first_however_many_there_are() -> None:
    first = [record(*[PERSON] * (1 + number % 50), file=f"{number:05}.jpg") for number in range(1000)]
    second = [record(file=one.file) for one in first]
    sizes = [change.size for change in compare(first, second).largest]
    assert sizes == [50] * 20 + [49] * 20 + [48] * 20 + [47] * 20 + [46] * 20


def test_many_boxes_on_one_place_take_no_memory_by_the_square() -> None:
    boxes = tuple(Detection("a", 0, 0.5, (0.0, 0.0, 100.0, 100.0 + place / 1000)) for place in range(4000))
    record = Record("x.jpg", 200, 200, boxes)
    tracemalloc.start()
    found = compare([record], [record])
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.same == 4000 and most < 200e6


def test_names_do_not_reach_the_terminal_as_they_are() -> None:
    record = Record("\x1b[2Jx.jpg", 10, 10, (Detection("\x1b]0;a\x07", 0, 0.5, (0, 0, 5, 5)),))
    text = as_text(compare([record], [replace(record, detections=())]))
    assert "\x1b" not in text and "\\x1b[2Jx.jpg" in text
