"""megadetector.json: its layout by the rules of its validator, its numbers by those of its own runner."""

import gzip
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from entrypoint.exif import Exif
from entrypoint.results.formats.megadetector_json import MegaDetectorJson, as_megadetector
from entrypoint.results.framerecords import FrameRecord
from entrypoint.values import Detection, Failure, Record
from entrypoint.videofacts import VideoFacts
from tests.results.formats.tree import FRAMES, NAMES, RECORDS, VIDEO, stored, write


def written(tmp_path: Path, *records: Record) -> Any:
    """megadetector.json of these records."""
    return json.loads((write(MegaDetectorJson, tmp_path, *records) / "megadetector.json").read_bytes())


def test_the_layout_is_that_of_format_1_6(tmp_path: Path) -> None:
    whole = written(tmp_path)
    assert set(whole) == {"info", "detection_categories", "images"}
    assert whole["info"]["format_version"] == "1.6"
    assert whole["info"]["detector"] == "md_v5a.0.0.pt"
    assert whole["info"]["detector_metadata"] == {
        "megadetector_version": "v5a.0.0",
        "typical_detection_threshold": 0.2,
        "conservative_detection_threshold": 0.05,
    }
    assert whole["detection_categories"] == {"1": NAMES[0], "2": NAMES[1], "3": NAMES[2]}
    assert [image["file"] for image in whole["images"]] == [record.file for record in RECORDS]
    failed, empty = whole["images"][2:]
    assert failed == {"file": "broken.jpg", "failure": "image access failure", "detections": None}
    assert empty["detections"] == [] and "failure" not in empty


def test_numbers_are_fractions_rounded_down_of_whole_pixels(tmp_path: Path) -> None:
    first = written(tmp_path)["images"][0]["detections"][0]
    assert first == {"category": "2", "conf": 0.926, "bbox": [0.0, 0.2762, 0.15, 0.0840]}


def test_a_confidence_of_one_is_a_fraction_all_the_same(tmp_path: Path) -> None:
    assert written(tmp_path)["images"][1]["detections"][0]["conf"] == 1.0
    assert '"conf": 1.0' in (tmp_path / "exp" / "megadetector.json").read_text()


@pytest.mark.parametrize("kind", ["out_of_memory", "not_done"])
def test_what_was_read_but_not_computed_is_an_inference_failure(tmp_path: Path, kind: str) -> None:
    (image,) = written(tmp_path, Record.failed("x.jpg", Failure(kind, "…")))["images"]
    assert image["failure"] == "inference failure"


def test_a_video_tells_its_rate_the_frames_that_were_looked_at_and_the_frame_of_each_detection(tmp_path: Path) -> None:
    (image,) = written(tmp_path, VIDEO)["images"]
    assert image["frame_rate"] == 25.0
    assert image["frames_processed"] == [0, 4, 7]
    assert [found["frame_number"] for found in image["detections"]] == [0, 7]


@pytest.mark.parametrize(
    ("frames", "rate"), [(FRAMES, 4 / 0.16), (FRAMES[:1], 1.0), ((), 1.0)], ids=["several", "the first alone", "none"]
)
def test_the_rate_of_a_video_that_does_not_tell_it_is_that_of_its_frames(
    tmp_path: Path, frames: tuple[FrameRecord, ...], rate: float
) -> None:
    without = replace(VIDEO, detections=stored(frames), video=VideoFacts(None, None, 8, None))
    (image,) = written(tmp_path, without)["images"]
    assert image["frame_rate"] == pytest.approx(rate)
    assert image["frames_processed"] == [frame.index for frame in frames]


def test_a_video_of_which_a_part_was_read_tells_how_far(tmp_path: Path) -> None:
    (image,) = written(tmp_path, replace(VIDEO, failure=Failure("truncated", "it ends early")))["images"]
    assert image["frames_processed"] == [0, 4, 7] and len(image["detections"]) == 2 and "failure" not in image


def test_a_video_that_failed_has_no_frames(tmp_path: Path) -> None:
    (image,) = written(tmp_path, Record.failed("a/clip.MP4", Failure("damaged", "it is no video")))["images"]
    assert image == {
        "file": "a/clip.MP4",
        "failure": "image access failure",
        "detections": None,
        "frame_rate": -1.0,
        "frames_processed": [],
    }


def test_an_image_tells_when_it_was_taken_where_that_was_asked_for(tmp_path: Path) -> None:
    known, unknown = (replace(RECORDS[0], exif=exif) for exif in (Exif("2026:05:31 18:00:05", 1.5, 2.5), Exif()))
    assert written(tmp_path / "known", known)["images"][0]["datetime"] == "2026:05:31 18:00:05"
    assert written(tmp_path / "unknown", unknown)["images"][0]["datetime"] is None
    assert "datetime" not in written(tmp_path / "unasked", RECORDS[0])["images"][0]


def runner(box: tuple[float, ...], width: int, height: int) -> list[float]:
    """The steps of MegaDetector's runner, in its order: single precision in torch, then double, rounded down."""
    corners = torch.tensor(box).round()
    centre = torch.stack([(corners[0] + corners[2]) / 2, (corners[1] + corners[3]) / 2])
    size = torch.stack([corners[2] - corners[0], corners[3] - corners[1]])
    x, y, w, h = (torch.cat([centre, size]) / torch.tensor([width, height, width, height])).tolist()
    return [math.floor(value * 10**4) / 10**4 for value in (x - w / 2.0, y - h / 2.0, w, h)]


@given(st.data())
def test_boxes_are_the_runners_to_the_last_digit(data: st.DataObject) -> None:
    width, height = data.draw(st.integers(1, 9000)), data.draw(st.integers(1, 9000))
    x1, x2 = sorted(data.draw(st.lists(st.floats(0, width, width=32), min_size=2, max_size=2)))
    y1, y2 = sorted(data.draw(st.lists(st.floats(0, height, width=32), min_size=2, max_size=2)))
    box = (x1, y1, x2, y2)
    ours = as_megadetector(Detection("animal", 0, 0.5, box), width, height)["bbox"]
    assert ours == runner(box, width, height)
    assert np.isfinite(ours).all()


def test_numbers_are_those_of_megadetectors_own_runner(tmp_path: Path, data: Path, yolo_bac: Any) -> None:
    """Its package has looked at the photographs once, with the same weights."""
    theirs = json.loads(gzip.decompress(Path(__file__).with_name("megadetector_runner.json.gz").read_bytes()))
    options = ("--conf-thres", 0.005, "--max-det", 300, "--nosave", "--project", tmp_path)
    ended = yolo_bac("--weights", data / "weights" / "yolov5n-coco.pt", "--source", data / "images", *options)
    assert ended.code == 0, ended.stderr
    for plain in json.loads((tmp_path / "exp" / "predictions.json").read_bytes())["images"]:
        record = Record.from_json(plain)
        expected = sorted(theirs[record.file], key=lambda row: (-row[1], row[0], row[2:]))
        ours = sorted(
            ([found.class_id, shown["conf"], *shown["bbox"]] for found, shown in _shown(record)),
            key=lambda row: (-row[1], row[0], row[2:]),
        )
        pixel = 1 / min(record.width or 1, record.height or 1) + 1e-4
        assert [row[0] for row in ours] == [row[0] for row in expected]
        assert np.allclose([row[1] for row in ours], [row[1] for row in expected], atol=0.001)
        assert np.allclose([row[2:] for row in ours], [row[2:] for row in expected], atol=pixel)


def _shown(record: Record) -> list[tuple[Detection, Any]]:
    return [(found, as_megadetector(found, record.width or 1, record.height or 1)) for found in record.detections or ()]
