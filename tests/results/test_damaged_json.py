"""JSON that an earlier run left and somebody changed, or that is hostile, is never believed, and ends no run."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from entrypoint.results.ledger import BEGUN, SCRATCH
from entrypoint.results.lock import OWNER
from entrypoint.sources.samples import DEMO_SCENES
from tests.conftest import Ended, records

Run = Callable[..., Ended]
DEEP = b"[" * 200_000
INSIDE = b'{"x": ' * 600 + b"1" + b"}" * 600  # deeper than a status can be written, not than it can be read
HUGE = b"1" + b"0" * 400
INFINITE = b'{"settings": {"conf_thres": 1e999}}'


def unfinished(run: Path, old: bytes, new: bytes) -> None:
    """Make a finished run one that was broken off, with other bytes in its status."""
    status = run / "status.json"
    text = status.read_bytes().replace(b'"state": "finished"', b'"state": "running"')
    assert old in text
    status.write_bytes(text.replace(old, new, 1))


@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"Infinity", b"NaN"])
@pytest.mark.parametrize("place", ["identity", "settings"])
def test_a_status_with_a_number_that_is_none_is_not_believed(
    yolo_bac: Run, tmp_path: Path, place: str, number: bytes
) -> None:
    assert yolo_bac("--demo", "--project", tmp_path).code == 0
    start = f'"{place}": {{'.encode()
    unfinished(tmp_path / "exp", start, start + b'"x": ' + number + b", ")
    ended = yolo_bac("--demo", "--project", tmp_path)
    assert ended.code == 0 and "Traceback" not in ended.stderr
    assert f"Results: {tmp_path / 'exp2'}" in ended.stdout
    merged = yolo_bac("merge", tmp_path / "exp", "--project", tmp_path / "other")
    assert merged.code in (4, 5) and "Traceback" not in merged.stderr


@pytest.mark.parametrize(
    ("place", "value"), [("identity", INSIDE), ("settings", INSIDE), ("timings", HUGE), ("timings", b"-" + HUGE)]
)
def test_a_status_that_could_not_be_written_or_computed_with_is_believed_by_no_command(
    yolo_bac: Run, tmp_path: Path, place: str, value: bytes
) -> None:
    assert yolo_bac("--demo", "--project", tmp_path).code == 0
    run = tmp_path / "exp"
    start = f'\n  "{place}": {{'.encode()
    unfinished(run, start, start + b'"x": ' + value + b", ")
    for command in (
        ("--demo", "--project", tmp_path),
        ("--demo", "--project", tmp_path / "new", "--previous", run),
        ("merge", run, "--project", tmp_path / "merged"),
        ("convert-results", run, "--format", "csv", "--project", tmp_path / "converted"),
        ("evaluate", run, "--truth", run / "coco.json"),
        ("compare", run, run),
    ):
        ended = yolo_bac(*command)
        assert ended.code != 1 and "Traceback" not in ended.stderr, (command, ended.stderr)
    assert (tmp_path / "exp2").is_dir() and not (tmp_path / "converted" / "converted").exists()


def test_a_record_with_a_number_that_no_float_holds_is_made_anew(yolo_bac: Run, tmp_path: Path) -> None:
    assert yolo_bac("--demo", "--project", tmp_path).code == 0
    run = tmp_path / "exp"
    unfinished(run, b"{", b"{")
    whole, journal = records(run), run / "records.jsonl"
    journal.write_bytes(re.sub(rb'("confidence": )[0-9.]+', rb"\g<1>" + HUGE, journal.read_bytes(), count=1))
    ended = yolo_bac("--demo", "--project", tmp_path)
    assert ended.code == 0 and "defect" not in ended.stderr, ended.stderr
    assert records(run) == whole


@pytest.mark.parametrize("text", [DEEP, b'{"state": ' + DEEP, b'{"identity": ' + INFINITE + b"}"])
def test_a_status_in_a_folder_of_the_source_ends_no_run(yolo_bac: Run, tmp_path: Path, text: bytes) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "status.json").write_bytes(text)
    (tmp_path / "a.png").write_bytes((DEMO_SCENES / "scene-1.png").read_bytes())
    ended = yolo_bac("--demo", "--source", tmp_path, "--project", tmp_path)
    assert ended.code == 0, ended.stderr
    assert list(records(tmp_path / "exp")) == ["a.png"]


@pytest.mark.parametrize("text", [DEEP, b"1e999", b'["a", 1e999, true]\n' + DEEP])
def test_what_a_killed_run_left_to_hold_its_folder_ends_no_run(yolo_bac: Run, tmp_path: Path, text: bytes) -> None:
    assert yolo_bac("--demo", "--project", tmp_path).code == 0
    unfinished(tmp_path / "exp", b"{", b"{")
    (tmp_path / "exp" / SCRATCH).mkdir()
    (tmp_path / "exp" / SCRATCH / BEGUN).write_bytes(text)
    (tmp_path / "exp" / OWNER).write_bytes(text)
    ended = yolo_bac("--demo", "--project", tmp_path)
    assert ended.code == 0, ended.stderr
    status = json.loads((tmp_path / "exp" / "status.json").read_bytes())
    assert status["state"] in ("running", "finished")
