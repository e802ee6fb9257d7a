"""Videos in a run: every frame's boxes, annotated videos, and the same results whatever interrupts it."""

import json
import random
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from entrypoint.jsontext import decoded
from entrypoint.results.palettes import colour
from entrypoint.results.segments import FRAMES_A_SEGMENT
from tests.conftest import Ended, records
from tests.run import attempts
from tests.run.attempts import results
from tests.schemas import assert_valid
from tests.videos import Recipe, make_video, moving, shapes

Run = Callable[..., Ended]
WIDTH, HEIGHT = 320, 256
KILLS = 2  # each after a segment


def by_frame(record: dict[str, Any]) -> dict[int, list[dict[str, Any]]]:
    found = defaultdict(list)
    for one in record["detections"]:
        found[one["frame"]].append(one)
    return found


def check(run: Path) -> dict[str, dict[str, Any]]:
    """The records, when every file with them agrees with the others and with its schema."""
    found = records(run)
    for file, record in found.items():
        assert_valid(record, "record")
        assert json.loads((run / "labels" / f"{file}.json").read_bytes()) == record
        lines = [json.loads(line) for line in (run / "video-frames" / f"{file}.jsonl").read_bytes().splitlines()]
        for line in lines:
            assert_valid(line, "frame")
        told = [one | {"frame": line["frame"], "time": line["time"]} for line in lines for one in line["detections"]]
        assert told == record["detections"]
    coco = json.loads((run / "coco.json").read_bytes())
    assert_valid(coco, "coco")
    assert len(coco["annotations"]) == sum(len(record["detections"]) for record in found.values())
    for line in (run / "records.jsonl").read_bytes().splitlines():
        assert_valid(decoded(line), "journal")
    return found


VIDEOS = {
    # with hardly a loss, so that the boxes tell of this program and not of the codec
    "h264.mp4": Recipe(options={"crf": "6"}, audio="aac"),
    "hevc.mkv": Recipe("libx265", {"preset": "ultrafast", "x265-params": "log-level=none:crf=6"}),
    "vp9.webm": Recipe("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "crf": "6", "b": "0"}),
    "av1.mp4": Recipe("libsvtav1", {"preset": "11", "crf": "10"}),
    "mjpeg.avi": Recipe("mjpeg", {"b": "8000000"}, pixels="yuvj420p"),
    "mpeg4.avi": Recipe("mpeg4", {"b": "8000000"}),
}


def test_boxes_of_moving_shapes_are_where_these_were_drawn_within_two_pixels_in_every_codec(
    yolo_bac: Run, tmp_path: Path
) -> None:
    """The network sees small frames enlarged: of shapes that are some 90 pixels long it knows the edges to 4 pixels."""
    (tmp_path / "in").mkdir()
    drawn = [shapes(number, 160, 128) for number in range(24)]
    for file, recipe in VIDEOS.items():
        make_video(tmp_path / "in" / file, [image for image, _ in drawn], recipe)
    options = ["--imgsz", 480, "--conf-thres", 0.5, "--nosave"]
    ended = yolo_bac("--demo", "--source", tmp_path / "in", "--project", tmp_path, *options)
    assert ended.code == 0, ended.stderr
    found = records(tmp_path / "exp")
    for file in VIDEOS:
        assert (found[file]["fps"], found[file]["frames"], found[file]["frames_read"]) == (25, 24, 24)
        frames = by_frame(found[file])
        for number, (_, truth) in enumerate(drawn):
            assert sorted(one["class"] for one in frames[number]) == [0, 1, 2], (file, number)
            for one in frames[number]:
                assert list(one["box"].values()) == pytest.approx(truth[one["class"]], abs=2), (file, number)


def test_every_file_with_records_of_videos_agrees_with_the_others(yolo_bac: Run, tmp_path: Path) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    small = [shapes(number, 160, 128)[0] for number in range(600)]
    make_video(tmp_path / "in" / "a.mp4", small, Recipe(audio="aac"))
    moving(tmp_path / "in" / "deep" / "b.avi", 20, Recipe("mpeg4"))
    command = ["--demo", "--source", tmp_path / "in", "--imgsz", 160]
    assert yolo_bac(*command, "--project", tmp_path / "one", "--batch-size", 1).code == 0
    assert yolo_bac(*command, "--project", tmp_path / "many", "--batch-size", 5).code == 0
    one, many = check(tmp_path / "one" / "exp"), records(tmp_path / "many" / "exp")
    assert one == many and len(one["a.mp4"]["detections"]) > 1000
    left = {path.relative_to(tmp_path / "one" / "exp").as_posix() for path in (tmp_path / "one" / "exp").rglob("*.*")}
    assert left == {
        *("status.json", "records.jsonl", "predictions.json", "coco.json", "index.html", "sheet.jpg"),
        *("images/a.mp4", "images/deep/b.avi.mp4"),
        *("labels/a.mp4.json", "labels/deep/b.avi.json"),
        *("video-frames/a.mp4.jsonl", "video-frames/deep/b.avi.jsonl"),
        *("index.html", "sheet.jpg", "thumbnails/a.mp4.jpg", "thumbnails/deep/b.avi.jpg"),
    }


def test_the_annotated_video_has_boxes_times_and_sound(yolo_bac: Run, tmp_path: Path) -> None:
    source = moving(tmp_path / "a.mp4", 30, Recipe(audio="aac", turned=90))
    assert yolo_bac("--demo", "--source", source, "--project", tmp_path, "--imgsz", 320).code == 0
    with av.open(str(tmp_path / "exp" / "images" / "a.mp4")) as shown, av.open(str(source)) as original:
        assert len(shown.streams.audio) == 1
        for ours, theirs in zip(shown.decode(video=0), original.decode(video=0), strict=True):
            assert ours.time == theirs.time
            picture = cv2.rotate(theirs.to_ndarray(format="bgr24"), cv2.ROTATE_90_COUNTERCLOCKWISE)
            changed = np.abs(ours.to_ndarray(format="bgr24").astype(int) - picture).max(2) > 60
            assert 0.01 < changed.mean() < 0.3


@pytest.mark.parametrize("stride", [1, 3])
def test_files_of_frames_are_named_as_detect_py_names_them(yolo_bac: Run, tmp_path: Path, stride: int) -> None:
    moving(tmp_path / "a.mp4", 10)
    options = ["--save-txt", "--save-crop", "--save-frames", "--nosave", "--vid-stride", stride, "--imgsz", 320]
    source = ["--demo", "--source", tmp_path / "a.mp4", "--project", tmp_path]
    assert yolo_bac(*source, *options).code == 0
    run = tmp_path / "exp"
    numbers = range(1, 10 // stride + 1)
    assert {path.name for path in (run / "labels" / "a.mp4").iterdir()} == {f"a_{number}.txt" for number in numbers}
    found = by_frame(records(run)["a.mp4"])
    assert set(found) == {number * stride - 1 for number in numbers}
    for number in numbers:
        lines = (run / "labels" / "a.mp4" / f"a_{number}.txt").read_text().splitlines()
        assert sorted(int(line.split()[0]) for line in lines) == [0, 1, 2]
        picture = cv2.imread(str(run / "video-frames" / "a.mp4" / f"a_{number}.jpg"))
        assert picture is not None and picture.shape == (HEIGHT, WIDTH, 3)
        place = next(at for at, one in enumerate(found[number * stride - 1]) if one["class"] == 0)
        assert (run / "crops" / "circle" / "a.mp4" / f"a_{number}.{place}.jpg").is_file()
    assert not (run / "images").exists()


def test_the_palette_is_that_of_frames_and_videos_too(yolo_bac: Run, tmp_path: Path) -> None:
    source = make_video(tmp_path / "a.mp4", [shapes(0, 160, 128)[0]] * 2)
    options = ["--save-frames", "--palette", "safe", "--imgsz", 160, "--line-thickness", 8, "--hide-labels"]
    assert yolo_bac("--demo", "--source", source, "--project", tmp_path, *options).code == 0
    (found, *_) = records(tmp_path / "exp")["a.mp4"]["detections"]
    drawn = cv2.VideoCapture(str(tmp_path / "exp" / "images" / "a.mp4")).read()[1]
    saved = cv2.imread(str(tmp_path / "exp" / "video-frames" / "a.mp4" / "a_1.jpg"))
    assert drawn is not None and saved is not None
    for picture in (drawn, saved):
        near = np.abs(picture.astype(int) - colour(found["class"], "safe")).max(2) < 40
        assert near.mean() > 0.02


def test_frames_in_which_nothing_was_found_are_looked_at_all_the_same(yolo_bac: Run, tmp_path: Path) -> None:
    blank = np.full((64, 64, 3), 128, np.uint8)
    make_video(tmp_path / "a.mp4", [blank] * 5)
    source = ["--demo", "--source", tmp_path / "a.mp4", "--project", tmp_path]
    assert yolo_bac(*source, "--save-txt", "--save-frames", "--conf-thres", 0.9).code == 0
    found = check(tmp_path / "exp")
    assert found["a.mp4"]["detections"] == [] and found["a.mp4"]["failure"] is None
    assert len((tmp_path / "exp" / "video-frames" / "a.mp4.jsonl").read_bytes().splitlines()) == 5
    assert len(list((tmp_path / "exp" / "labels" / "a.mp4").iterdir())) == 5
    assert not (tmp_path / "exp" / "video-frames" / "a.mp4").exists()


@pytest.mark.parametrize("accept", [False, True])
def test_a_cut_video_keeps_what_was_read_and_says_so(yolo_bac: Run, tmp_path: Path, accept: bool) -> None:
    path = moving(tmp_path / "a.mkv", 50)
    path.write_bytes(path.read_bytes()[:-8000])
    options = ["--accept-damaged"] if accept else []
    ended = yolo_bac("--demo", "--source", path, "--project", tmp_path, "--imgsz", 320, *options)
    record = check(tmp_path / "exp")["a.mkv"]
    assert ended.code == (0 if accept else 5)
    assert (record["failure"] is None) == accept and "it ends after" in ended.stderr + str(record["failure"])
    assert 5 < record["frames_read"] < 50 and len(by_frame(record)) == record["frames_read"]
    with av.open(str(tmp_path / "exp" / "images" / "a.mkv.mp4")) as shown:
        assert len(list(shown.decode(video=0))) == record["frames_read"]


def test_a_video_without_a_frame_does_not_end_the_run(yolo_bac: Run, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "broken.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(100))
    moving(tmp_path / "in" / "good.mp4", 5)
    ended = yolo_bac("--demo", "--source", tmp_path / "in", "--project", tmp_path, "--max-failures", 1)
    assert ended.code == 0 and ended.stdout.startswith("1 of 2 inputs failed; ")
    assert "; 5 frames in 1 video." in ended.stdout
    found = records(tmp_path / "exp")
    assert found["broken.mp4"]["failure"].startswith("damaged: ") and found["broken.mp4"]["detections"] is None
    assert len(by_frame(found["good.mp4"])) == 5


def test_a_video_that_is_killed_at_any_moment_ends_as_one_that_is_not(tmp_path: Path) -> None:
    stride, chance, killed = 2, random.Random(0), tmp_path / "killed"
    frames = [shapes(number, 96, 64)[0] for number in range(stride * (KILLS * FRAMES_A_SEGMENT + 80))]
    source = make_video(tmp_path / "a.mp4", frames, Recipe(audio="aac", turned=90, gop=50))
    command = ["--demo", "--source", source, "--imgsz", 96, "--save-frames", "--vid-stride", stride]
    command += ["--conf-thres", 0.2]
    attempts.ended(command, tmp_path / "whole")
    went_on = 0
    for _ in range(KILLS):
        went_on += bool(attempts.segments(killed))
        attempts.killed(command, killed, attempts.after_a_segment(killed, chance.uniform(0, 0.5)))
    attempts.ended(command, killed)
    assert went_on > 0
    assert attempts.segments(killed) == list(range(KILLS)), "a segment was made twice"
    assert results(killed / "exp") == results(tmp_path / "whole" / "exp")


def test_shards_of_videos_merge_to_the_whole(yolo_bac: Run, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number in range(4):
        moving(tmp_path / "in" / f"{number}.mp4", 20, first=number * 20)
    command = ["--demo", "--source", tmp_path / "in", "--imgsz", 160, "--save-txt", "--save-crop", "--save-frames"]
    assert yolo_bac(*command, "--project", tmp_path / "whole").code == 0
    for shard in range(2):
        assert yolo_bac(*command, "--project", tmp_path / "parts", "--shard", f"{shard}/2").code == 0
    ended = yolo_bac("merge", tmp_path / "parts", "--project", tmp_path / "all")
    assert ended.code == 0, ended.stderr
    assert results(tmp_path / "all" / "merged") == results(tmp_path / "whole" / "exp")


def test_lost_frames_of_a_part_are_said(yolo_bac: Run, tmp_path: Path) -> None:
    moving(tmp_path / "a.mp4", 10)
    assert yolo_bac("--demo", "--source", tmp_path / "a.mp4", "--project", tmp_path / "p", "--shard", "0/1").code == 0
    (lost,) = (tmp_path / "p").rglob("a.mp4.jsonl")
    lost.unlink()
    ended = yolo_bac("merge", tmp_path / "p", "--project", tmp_path / "all")
    assert ended.code == 5
    assert records(tmp_path / "all" / "merged")["a.mp4"]["failure"].startswith("damaged: ")
