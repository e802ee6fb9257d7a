"""status.json is read through checks: whatever stands in it, it is a status or it is refused with the reason."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from entrypoint.results.runstatus import RunStatus
from tests.schemas import assert_valid

WHOLE: dict[str, Any] = RunStatus.claimed({"settings": {"conf_thres": 0.25}}).to_json() | {
    "state": "finished",
    "exit_code": 0,
    "weights": {"file": "w.pt", "kind": "torch checkpoint", "size": 3, "sha256": "0" * 64, "classes": ["a"]},
    "part": {"index": 1, "count": 3},
    "merged": {"count": 3, "left": {"0": 0, "2": 5}},
    "formats": ["images", "json"],
    "left": ["images/", "predictions.json"],
    "ignored": {".txt file": 2},
    "timings": {"look": 1.5},
}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def nested(depth: int = 100_000) -> dict[str, Any]:
    """An object within an object, deeper than any that can be written."""
    found: dict[str, Any] = {}
    for _ in range(depth):
        found = {"": found}
    return found


def plain() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(WHOLE))
    return found


def test_a_status_comes_back_from_its_file() -> None:
    assert_valid(plain(), "status")
    status = RunStatus.from_json(plain())
    assert json.loads(status.to_text()) == plain()


@pytest.mark.parametrize("name", sorted(WHOLE.keys() - {"merged"}))
def test_a_key_that_is_missing_is_named(name: str) -> None:
    found = plain()
    del found[name]
    with pytest.raises(ValueError, match=name):
        RunStatus.from_json(found)


@given(st.sampled_from(sorted(WHOLE)), json_values)
@example("identity", {"": float("inf")})
@example("identity", {"settings": {"a": [float("-inf")]}})
@example("identity", {"source": float("nan")})
@example("identity", {"source": "\ud800"})
@example("settings", {"": [{"": float("inf")}]})
@example("timings", {"": 10**400})
@example("seconds", -(10**400))
@example("throughput", {"seconds": 10**400, "done": []})
def test_any_other_value_is_taken_or_refused(name: str, value: Any) -> None:
    try:
        status = RunStatus.from_json(plain() | {name: value})
    except ValueError as error:
        assert str(error)
    else:
        assert json.loads(status.to_text(), parse_constant=pytest.fail).get(name) == value


@given(json_values)
def test_any_other_json_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        RunStatus.from_json(value)


def test_values_in_each_other_as_deep_as_is_believed_can_be_written() -> None:
    status = RunStatus.from_json(plain() | {"settings": nested(63)})
    assert json.loads(status.to_text())["settings"] == nested(63)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("state", "done", "state is 'done'"),
        ("counts", {"total": 1}, "counts are of 'total'"),
        ("counts", dict.fromkeys(WHOLE["counts"], -1), "from 0 to"),
        ("weights", {"file": "w"}, "weights kind is None"),
        ("weights", WHOLE["weights"] | {"classes": [3]}, "weights classes is 3, expected a string"),
        ("part", {"index": 3, "count": 3}, "from 0 to 2"),
        ("merged", {"count": 2, "left": {"2": 0}}, "left of part '2'"),
        ("left", ["../x"], "does not stay below"),
        ("left", ["/etc/passwd"], "does not stay below"),
        ("seconds", float("nan"), "finite"),
        ("identity", {"version": float("inf")}, "identity holds a part that is no standard JSON"),
        ("identity", nested(), "identity is nested too deep"),
        ("identity", nested(64), "identity is nested too deep"),
        ("settings", nested(600), "settings is nested too deep"),
        ("seconds", -(10**400), "seconds is -1000*, expected a finite number"),
        ("settings", {"conf_thres": float("nan")}, "settings holds a part that is no standard JSON"),
        ("message", "\ud800", "Unicode"),
        ("message", nested(), "message is nested too deep, expected a string"),
    ],
)
def test_what_is_wrong_is_said(name: str, value: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        RunStatus.from_json(plain() | {name: value})
