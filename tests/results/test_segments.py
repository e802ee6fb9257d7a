"""Segments of a video: what an unfinished one leaves is known again, holds as long as its input does, and goes."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from entrypoint.inputstate import InputState
from entrypoint.results.claim import claim
from entrypoint.results.results import Results
from entrypoint.results.segments import FRAMES_A_SEGMENT, Segment
from entrypoint.settings import Settings
from entrypoint.sources.look import Look
from entrypoint.sources.moving import PlacedFrame
from entrypoint.sources.position import Position
from entrypoint.values import Detections
from entrypoint.videofacts import VideoFacts
from tests.schemas import assert_valid
from tests.videos import extent_of

LOOK = Look(Fraction(1, 25), 25.0, Fraction(4, 3), (1, 2, 3), 0.5)
STATE, OTHER = InputState(10, 1, 2, 3), InputState(11, 1, 2, 3)
SEGMENT = Segment(3, -7, Position(9, None, 64, 48), 48, 64, LOOK, 512, 9, ("a/b", "c"))


def test_a_segment_comes_back_from_its_line() -> None:
    line = SEGMENT.to_line('v "ü".mp4', STATE, SEGMENT.files)
    plain = json.loads(line)
    assert_valid(plain, "journal")
    assert Segment.from_json(plain) == (SEGMENT, STATE)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("segment", -1),
        ("start", None),
        ("position", {"index": 1}),
        ("look", {"time_base": [1, 0], "fps": 1, "aspect": [1, 1], "colours": [1, 1, 1], "origin": 0}),
        ("look", []),
        ("frames", "many"),
        ("files", ["../x"]),
        ("files", "a"),
        ("input", {"size": 1}),
    ],
)
def test_a_damaged_line_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        Segment.from_json(json.loads(SEGMENT.to_line("v.mp4", STATE, ())) | {name: value})


def begun(folder: Path, files: list[str], continued: bool = False) -> tuple[Results, Any]:
    run = claim(folder, "exp", {"of": "a test"})
    assert run.continued == continued
    return Results(run, Settings(report=False, save_txt=True), ("thing",), files), run


def look_at(results: Results, count: int, state: InputState = STATE, index: int = 0) -> Any:
    """So many frames of a video, after those that are known already."""
    video = results.begin_video(index, state)
    first = video.after.index + 1 if video.after else 0
    nothing = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))
    for number in range(first, count):
        image = np.full((32, 48, 3), number % 256, np.uint8)
        frame = PlacedFrame(number, number / 25, image, number, Position(number, number, 48, 32))
        video.frame(frame, nothing, LOOK)
    return video


def left(folder: Path) -> set[str]:
    return {path.relative_to(folder / "exp").as_posix() for path in (folder / "exp").rglob("*") if path.is_file()}


def stopped(folder: Path, count: int) -> None:
    """A run that was stopped after so many frames of v.mp4."""
    results, run = begun(folder, ["v.mp4"])
    look_at(results, count)
    run.close()


def test_a_stopped_video_keeps_its_whole_segments_alone(tmp_path: Path) -> None:
    stopped(tmp_path, 2 * FRAMES_A_SEGMENT + 100)
    kept = left(tmp_path)
    assert {path for path in kept if path.startswith("segments/")} == {
        f"segments/v.mp4/0000{number}{suffix}" for number in (0, 1) for suffix in (".mp4", ".jsonl")
    }
    assert len([path for path in kept if path.endswith(".txt")]) == 2 * FRAMES_A_SEGMENT
    results, run = begun(tmp_path, ["v.mp4"], continued=True)
    video = results.begin_video(0, STATE)
    assert video.after == Position(2 * FRAMES_A_SEGMENT - 1, 2 * FRAMES_A_SEGMENT - 1, 48, 32)
    results.leave_video(video)
    run.close()


def test_a_video_that_is_done_leaves_no_segments(tmp_path: Path) -> None:
    stopped(tmp_path, FRAMES_A_SEGMENT + 3)
    results, run = begun(tmp_path, ["v.mp4"], continued=True)
    video = look_at(results, FRAMES_A_SEGMENT + 9)
    with extent_of(__file__) as silent:
        record = video.finish(None, VideoFacts(25.0, 521, 521, 20.84), silent)
    results.finish_video(0, video, record, STATE)
    assert not [path for path in left(tmp_path) if path.startswith("segments/")]
    assert len((tmp_path / "exp" / "video-frames" / "v.mp4.jsonl").read_bytes().splitlines()) == 521
    again = results.reusable(0, STATE)
    assert again is not None and (again.detections, again.frames) == (0, 521)
    assert {f"labels/v.mp4/v_{number}.txt" for number in range(1, 522)} <= left(tmp_path)
    run.close()


@pytest.mark.parametrize("change", ["another input", "a file is missing", "no longer in the source"])
def test_segments_that_hold_no_more_go_with_all_they_left(tmp_path: Path, change: str) -> None:
    stopped(tmp_path, FRAMES_A_SEGMENT)
    if change == "a file is missing":
        (tmp_path / "exp" / "segments" / "v.mp4" / "00000.jsonl").unlink()
    results, run = begun(tmp_path, ["w.mp4"] if change == "no longer in the source" else ["v.mp4"], continued=True)
    if change != "no longer in the source":
        video = results.begin_video(0, OTHER if change == "another input" else STATE)
        assert video.after is None
        results.leave_video(video)
    run.close()
    assert not [path for path in left(tmp_path) if "v.mp4" in path]


def test_a_folder_that_is_taken_over_has_no_segments_of_before(tmp_path: Path) -> None:
    stopped(tmp_path, FRAMES_A_SEGMENT)
    run = claim(tmp_path, "exp", {"of": "another"}, exist_ok=True)
    run.close()
    assert not [path for path in left(tmp_path) if "v.mp4" in path]
