"""What was found in a video is read back from its file, however much it is."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoint.errors import OutputError
from entrypoint.jsontext import decoded
from entrypoint.results.framerecords import FrameRecord, StoredDetections, frames_of
from entrypoint.results.journalentry import Entry
from entrypoint.values import Detection, Failure, Record
from entrypoint.videofacts import VideoFacts
from tests.schemas import assert_valid

FACTS = VideoFacts(25.0, 3, 3, 0.12)


def frame(index: int, count: int) -> FrameRecord:
    found = [Detection("thing", 0, 0.5, (0.0, 1.0, float(number), 3.0), index, index / 8) for number in range(count)]
    return FrameRecord(index, index / 8, found)


@given(st.lists(st.integers(0, 4), max_size=6))
def test_all_detections_come_back_with_their_frame_and_time(
    tmp_path_factory: pytest.TempPathFactory, counts: list[int]
) -> None:
    path = tmp_path_factory.mktemp("x") / "f"
    frames = [frame(index, count) for index, count in enumerate(counts)]
    path.write_bytes(b"".join(one.to_line() for one in frames))
    stored = StoredDetections(str(path), sum(counts), 9, 9, lambda name: os.open(name, os.O_RDONLY))
    for _ in range(2):
        assert list(stored) == [found for one in frames for found in one.detections]
    assert len(stored) == sum(counts)
    assert list(frames_of(Record("v.mp4", 9, 9, stored, video=FACTS))) == list(enumerate(frames, 1))
    for line in path.read_bytes().splitlines():
        assert_valid(decoded(line), "frame")


@pytest.mark.parametrize("failure", [None, Failure("truncated", "it ends early")])
def test_the_journal_refers_to_them(failure: Failure | None) -> None:
    stored = StoredDetections("video-frames/v.mp4.jsonl", 7, 9, 9)
    entry = Entry(Record("v.mp4", 9, 9, stored, failure, video=FACTS), None, ("video-frames/v.mp4.jsonl",))
    line = entry.to_line()
    assert_valid(decoded(line), "journal")
    assert Entry.from_json(decoded(line)) == entry


def test_a_damaged_line_is_left_out_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "f").write_bytes(frame(0, 1).to_line() + b"rubbish\n" + frame(2, 2).to_line() + b'{"frame": 3')
    stored = StoredDetections("f", 3, 9, 9, lambda name: os.open(tmp_path / name, os.O_RDONLY))
    assert [found.frame for found in stored] == [0, 2, 2]


def test_a_file_that_is_gone_is_an_error_of_the_output() -> None:
    with pytest.raises(OutputError, match="cannot be read back"):
        list(StoredDetections("gone", 1, 9, 9, lambda name: os.open(f"/nowhere/{name}", os.O_RDONLY)))


def test_the_text_of_a_record_is_that_of_its_json_in_pieces() -> None:
    many = tuple(found for index in range(900) for found in frame(index, 3).detections)
    record = Record('v ", "detections": [].mp4', 9, 9, many, None, video=FACTS)
    pieces = list(record.to_text())
    assert decoded(b"".join(pieces)) == record.to_json()
    assert len(pieces) > 3
    assert Record.from_json(decoded(b"".join(pieces))) == record
