"""The frames of a run's videos against a truth, of which each is looked for once."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from entrypoint.errors import SourceError
from entrypoint.evaluate import evaluation
from entrypoint.evaluate.evaluation import evaluate
from entrypoint.evaluate.truth import Truth, match_files
from entrypoint.results.sameimages import Matched
from entrypoint.values import Record
from tests.results.formats.tree import NAMES, RECORDS, VIDEO


def videos(count: int) -> list[Record]:
    """That many videos of three frames each."""
    return [replace(VIDEO, file=f"{number}.mp4") for number in range(count)]


def write_truth(folder: Path, *files: str) -> Path:
    """A truth that has these images, without an object."""
    images = [{"id": number, "file_name": file} for number, file in enumerate(files)]
    categories = [{"id": number, "name": name} for number, name in enumerate(NAMES)]
    path = folder / "truth.json"
    path.write_text(json.dumps({"images": images, "annotations": [], "categories": categories}))
    return path


def test_the_truth_is_matched_once_however_many_videos_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Sequence[str]] = []

    def counted(truth: Truth, files: Sequence[str]) -> Matched:
        asked.append(files)
        return match_files(truth, files)

    monkeypatch.setattr(evaluation, "match_files", counted)
    truth = write_truth(tmp_path, "0.mp4/0_2.jpg", "data/2.mp4/2_1.jpg", "x.jpg", "elsewhere.jpg")
    ours = evaluate([*RECORDS, *videos(5)], NAMES, truth, None)
    assert len(asked) == 1 and len(asked[0]) == len(RECORDS) + 15
    assert [(image.file, image.is_frame) for image in ours.images] == [
        ("0.mp4/0_2.jpg", True),
        ("2.mp4/2_1.jpg", True),
        ("x.jpg", False),
    ]
    assert any("3 videos are left out" in line and "'1.mp4', '3.mp4', '4.mp4'" in line for line in ours.warnings)
    assert any("1 images of the truth are not in the run: 'elsewhere.jpg'" in line for line in ours.warnings)


def test_frames_of_a_video_that_a_yolo_truth_does_not_name_are_no_empty_images(tmp_path: Path) -> None:
    label = tmp_path / "labels" / "0.mp4" / "0_1.txt"
    label.parent.mkdir(parents=True)
    label.write_text("0 0.5 0.5 0.1 0.1\n")
    ours = evaluate(videos(2), NAMES, tmp_path, None)
    assert [image.file for image in ours.images] == [f"0.mp4/0_{number}.jpg" for number in (1, 2, 3)]


@pytest.mark.parametrize("records", [videos(2), [*RECORDS, *videos(2)]], ids=["videos", "stills too"])
def test_a_truth_of_other_videos_is_refused_with_what_the_run_has(tmp_path: Path, records: Any) -> None:
    with pytest.raises(SourceError, match=r"one of the run's \d+ inputs: it has 'other.jpg', the run '\S"):
        evaluate(records, NAMES, write_truth(tmp_path, "other.jpg"), None)
