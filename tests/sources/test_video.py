"""Every frame of a video comes, upright and at its time; what is damaged or missing costs itself alone, and is said."""

import os
import random
import re
import struct
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from entrypoint.sources.filetype import identify
from entrypoint.sources.kinds.video import Video
from entrypoint.sources.medium import ReadOptions
from entrypoint.sources.moving import PlacedFrame
from entrypoint.sources.video import VideoReading
from entrypoint.values import Failure
from entrypoint.videofacts import VideoFacts
from tests.conftest import ROOT
from tests.videos import Recipe, extent_of, make_video, number_of, numbered

COUNT = 30
QUIET = {"x265-params": "log-level=none"}


def frames(count: int = COUNT, width: int = 192, height: int = 128) -> list[NDArray[np.uint8]]:
    """Numbered frames with some noise, so that they take some bytes."""
    noise = np.random.default_rng(0).integers(0, 12, (height, width, 3), dtype=np.uint8)
    return [numbered(number, width, height) + np.roll(noise, number, 0) for number in range(count)]


def read(
    path: Path | str, start: int = 0, size: int | None = None, **options: object
) -> tuple[list[PlacedFrame], Failure | None, VideoReading]:
    """All frames, the failure at the end, and the reading itself."""
    with extent_of(path, start, size) as extent:
        reading = VideoReading(extent, **options)  # type: ignore[arg-type]
        found = list(reading)
    failure = found.pop() if found and isinstance(found[-1], Failure) else None
    return [frame for frame in found if isinstance(frame, PlacedFrame)], failure, reading  # type: ignore[return-value]


CODECS = {
    # file: recipe
    "h264.mp4": Recipe(audio="aac"),
    "h264.mkv": Recipe(audio="libopus"),
    "h264.ts": Recipe(audio="aac"),
    "h264.flv": Recipe(),
    "h264.avi": Recipe(),  # with frames that are shown in another order than they are stored in
    "hevc.mp4": Recipe("libx265", QUIET | {"preset": "ultrafast"}),
    "hevc10.mkv": Recipe("libx265", QUIET | {"preset": "ultrafast"}, pixels="yuv420p10le"),
    "vp9.webm": Recipe("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8"}),
    "av1.mp4": Recipe("libsvtav1", {"preset": "11"}),
    "mjpeg.avi": Recipe("mjpeg", pixels="yuvj420p"),
    "mpeg4.avi": Recipe("mpeg4", audio="libmp3lame"),
    "mpeg2.mpg": Recipe("mpeg2video", audio="mp2"),
    "wmv.wmv": Recipe("wmv2"),
    "prores.mov": Recipe("prores_ks", pixels="yuv422p10le"),
    "ffv1.nut": Recipe("ffv1"),
    "pieces.mp4": Recipe(container={"movflags": "frag_keyframe+empty_moov"}),
}


@pytest.mark.parametrize("name", CODECS)
def test_every_frame_of_every_codec_comes_in_order_and_at_its_time(tmp_path: Path, name: str) -> None:
    path = make_video(tmp_path / name, frames(), CODECS[name])
    found, failure, reading = read(path)
    assert identify(path).family == "video" and failure is None
    assert [number_of(frame.image) for frame in found] == list(range(COUNT))
    assert [frame.index for frame in found] == list(range(COUNT))
    assert (reading.facts.fps, reading.facts.frames, reading.facts.frames_read) == (25, COUNT, COUNT)
    steps = {round(later.time - frame.time, 3) for frame, later in pairwise(found)}  # type: ignore[operator]
    assert steps <= ({0.04, 0.08} if name == "mpeg4.avi" else {0.04})  # that one leaves out a place in its numbering
    assert reading.look is not None and reading.look.fps == 25
    assert all(frame.time == pytest.approx(frame.pts * float(reading.look.time_base)) for frame in found)


def test_pixels_are_those_of_opencv(tmp_path: Path) -> None:
    for name, recipe in {"a.mp4": Recipe(), "b.avi": Recipe("mjpeg", pixels="yuvj420p")}.items():
        path = make_video(tmp_path / name, frames(5, 190, 126), recipe)
        capture = cv2.VideoCapture(str(path))
        for frame in read(path)[0]:
            np.testing.assert_array_equal(frame.image, capture.read()[1])


@pytest.mark.parametrize(
    ("name", "recipe"),
    [
        ("h264.mp4", Recipe()),
        ("rgb.avi", Recipe("rawvideo", pixels="bgr24")),  # decoded as the very pixels that are asked for
        ("rgb.mkv", Recipe("ffv1", pixels="bgr0")),
    ],
)
@pytest.mark.parametrize("width", [192, 102])
def test_to_draw_on_a_frame_changes_none_that_follows(tmp_path: Path, name: str, recipe: Recipe, width: int) -> None:
    path = make_video(tmp_path / name, frames(8, width), recipe)
    untouched = [frame.image.copy() for frame in read(path)[0]]
    with extent_of(path) as extent:
        for frame, before in zip(VideoReading(extent), untouched, strict=True):
            assert isinstance(frame, PlacedFrame)
            np.testing.assert_array_equal(frame.image, before)
            frame.image[:] = 255
    if name.startswith("rgb"):
        np.testing.assert_array_equal(untouched, frames(8, width))


@pytest.mark.parametrize("turned", [90, -90, 180])
def test_frames_are_turned_upright_as_opencv_does(tmp_path: Path, turned: int) -> None:
    path = make_video(tmp_path / "x.mp4", frames(3), Recipe(turned=turned))
    upright = np.rot90(frames(1)[0], turned // 90)
    found = read(path)[0][0].image
    assert found.shape == upright.shape and np.abs(found.astype(int) - upright).mean() < 8
    np.testing.assert_array_equal(found, cv2.VideoCapture(str(path)).read()[1])


@pytest.mark.parametrize(
    ("matrix", "show"),
    [
        ((-1, 0, 0, 1), lambda image: image[:, ::-1]),
        ((1, 0, 0, -1), lambda image: image[::-1]),
        ((-1, 0, 0, -1), lambda image: image[::-1, ::-1]),
        ((0, 1, 1, 0), lambda image: image.transpose(1, 0, 2)),
        ((0, -1, -1, 0), lambda image: image[::-1, ::-1].transpose(1, 0, 2)),
        ((0, 1, -1, 0), lambda image: np.rot90(image, -1)),
    ],
)
def test_frames_are_mirrored_as_the_file_says(
    tmp_path: Path, matrix: tuple[int, ...], show: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
) -> None:
    """The matrix says where the point at x, y is shown: at ax + cy, bx + dy."""
    path = make_video(tmp_path / "x.mp4", frames(3), Recipe(turned=90))
    data = bytearray(path.read_bytes())
    a, b, c, d = (number << 16 for number in matrix)
    struct.pack_into(">5i", data, data.index(b"tkhd") + 44, a, b, 0, c, d)
    path.write_bytes(data)
    shown = show(frames(1)[0])
    found = read(path)[0][0].image
    assert found.shape == shown.shape and np.abs(found.astype(int) - shown).mean() < 8


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_times_are_the_file_s_own(tmp_path: Path, suffix: str) -> None:
    times = [1500 + number * number * 10 for number in range(COUNT)]
    path = make_video(tmp_path / f"x.{suffix}", frames(), Recipe(times=times, time_base=Fraction(1, 1000)))
    found, failure, _ = read(path)
    assert failure is None
    assert [frame.time for frame in found] == pytest.approx([time / 1000 for time in times], abs=1e-9)


@pytest.mark.parametrize("stride", [1, 2, 7, COUNT, COUNT + 1])
def test_a_stride_takes_the_last_of_each_so_many_frames(tmp_path: Path, stride: int) -> None:
    found, failure, reading = read(make_video(tmp_path / "x.mp4", frames()), stride=stride)
    assert [number_of(frame.image) for frame in found] == list(range(stride - 1, COUNT, stride))
    assert [frame.index for frame in found] == list(range(stride - 1, COUNT, stride))
    assert failure is None and reading.facts.frames_read == COUNT


@pytest.mark.parametrize("count", [1, 2])
def test_the_shortest_videos(tmp_path: Path, count: int) -> None:
    found, failure, reading = read(make_video(tmp_path / "x.mp4", frames(count)))
    assert len(found) == reading.facts.frames_read == count and failure is None


def test_frames_of_another_size_are_scaled_to_the_first(tmp_path: Path) -> None:
    parts = [
        make_video(tmp_path / f"{width}.h264", frames(4, width, height)).read_bytes()
        for width, height in ((192, 128), (320, 160))
    ]
    (tmp_path / "x.h264").write_bytes(b"".join(parts))
    found, _, _ = read(tmp_path / "x.h264")
    assert {frame.image.shape for frame in found} == {(128, 192, 3)} and len(found) == 8


def turned_by_the_way(path: Path, width: int, height: int) -> Path:
    """Raw H.264 in which a message before the fifth of ten frames says that it is to be turned by 90 degrees."""
    options = {"g": "1", "bf": "0", "x264-params": "slices=1"}
    data = make_video(path, frames(10, width, height), Recipe("libx264", options)).read_bytes()
    payload = 0b000_0100000000000000_010_0_1.to_bytes(3, "big")
    message = b"\0\0\0\1\x06\x2f" + bytes([len(payload)]) + payload + b"\x80"
    parts = re.split(rb"(?=\x00\x00\x01\x65)", data)
    path.write_bytes(b"".join([*parts[:5], message, *parts[5:]]))
    return path


def test_frames_that_are_turned_by_the_way_have_the_first_one_s_size(tmp_path: Path) -> None:
    path = turned_by_the_way(tmp_path / "x.h264", 320, 96)
    with av.open(str(path)) as video:
        assert {frame.rotation % 360 for frame in video.decode(video=0)} > {0}
    found, _, _ = read(path)
    assert {frame.image.shape for frame in found} == {(96, 320, 3)} and len(found) == 10


def test_a_part_of_a_file_is_read_where_it_lies(tmp_path: Path) -> None:
    whole = make_video(tmp_path / "x.mp4", frames())
    data = whole.read_bytes()
    (tmp_path / "archive, with: signs").write_bytes(b"before" + data + b"behind")
    found, failure, _ = read(tmp_path / "archive, with: signs", 6, len(data))
    assert failure is None
    for frame, expected in zip(found, read(whole)[0], strict=True):
        np.testing.assert_array_equal(frame.image, expected.image)


def cut(data: bytes) -> bytes:
    return data[: len(data) * 6 // 10 | 1]


def garbled(data: bytes) -> bytes:
    chance, changed = random.Random(1), bytearray(data)
    for _ in range(12):
        place = chance.randrange(len(data) // 4, len(data) * 3 // 4)
        changed[place : place + 8] = chance.randbytes(8)
    return bytes(changed)


BROKEN = [
    # file, how it is broken, the failure, at least so many frames
    ("front.mp4", cut, "truncated", 10),
    ("h264.mp4", cut, "truncated", 0),  # its index is at its end
    ("pieces.mp4", cut, "truncated", 10),
    ("h264.mkv", cut, "truncated", 10),
    ("vp9.webm", cut, "truncated", 10),
    ("mjpeg.avi", cut, "truncated", 10),
    ("h264.avi", cut, "truncated", 10),
    ("h264.flv", cut, "truncated", 10),
    ("h264.ts", cut, "truncated", 10),
    ("front.mp4", garbled, "damaged", 20),
    ("h264.avi", garbled, "damaged", 20),
    ("wmv.wmv", cut, "damaged", 10),
    ("h264.mkv", garbled, "damaged", 10),
]
FRONT = {"front.mp4": Recipe(container={"movflags": "+faststart"})}


@pytest.mark.parametrize(("name", "broken", "kind", "least"), BROKEN)
def test_broken_videos_keep_what_can_be_read_and_say_so(
    tmp_path: Path, name: str, broken: Callable[[bytes], bytes], kind: str, least: int
) -> None:
    path = make_video(tmp_path / name, frames(), (CODECS | FRONT)[name])
    path.write_bytes(broken(path.read_bytes()))
    found, failure, reading = read(path)
    assert failure is not None and failure.kind == kind
    assert least <= len(found) == reading.facts.frames_read <= COUNT
    if broken is cut:
        assert [number_of(frame.image) for frame in found[:-2]] == list(range(len(found)))[:-2]


@pytest.mark.parametrize("broken", [bytes, garbled])
@pytest.mark.parametrize("name", ["front.mp4", "h264.mkv", "h264.ts", "h264.avi", "vp9.webm", "mpeg2.mpg", "wmv.wmv"])
def test_reading_on_from_any_place_gives_what_reading_through_does(
    tmp_path: Path, name: str, broken: Callable[[bytes], bytes]
) -> None:
    path = make_video(tmp_path / name, frames(), (CODECS | FRONT)[name])
    path.write_bytes(broken(path.read_bytes()))
    whole, failure, reading = read(path)
    for place in sorted({0, 5, 11, 12, 17, COUNT - 2, COUNT - 1} & set(range(len(whole)))):
        rest, ended, again = read(path, after=whole[place].position)
        assert (ended, again.facts) == (failure, reading.facts)
        assert len(rest) == len(whole) - place - 1
        for frame, expected in zip(rest, whole[place + 1 :], strict=True):
            assert (frame.index, frame.time, frame.pts) == (expected.index, expected.time, expected.pts)
            np.testing.assert_array_equal(frame.image, expected.image)


def test_reading_on_with_a_stride(tmp_path: Path) -> None:
    path = make_video(tmp_path / "x.mp4", frames())
    whole = read(path, stride=4)[0]
    rest = read(path, stride=4, after=whole[2].position)[0]
    assert [frame.index for frame in rest] == [frame.index for frame in whole[3:]]


def test_reading_on_from_late_in_a_video_decodes_little_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_video(tmp_path / "x.mp4", frames(300))
    place = read(path)[0][280].position
    decoded = []
    import entrypoint.sources.decoding as room

    whole = room.Decoding._decoded

    def counted(self: room.Decoding, packet: object) -> object:
        decoded.append(packet)
        return whole(self, packet)  # type: ignore[arg-type]

    monkeypatch.setattr(room.Decoding, "_decoded", counted)
    assert len(read(path, after=place)[0]) == 19
    assert len(decoded) < 60


def huge(path: Path) -> None:
    make_video(path, [np.zeros((8192, 8192, 3), np.uint8)], Recipe(options={"preset": "ultrafast"}))


def without_pictures(path: Path) -> None:
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=48000)
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
        frame.sample_rate = 48000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


def without_frames(path: Path) -> None:
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        container.start_encoding()


def listing(path: Path) -> None:
    make_video(path.parent / "secret.mp4", frames(2))
    path.write_text(f"ffconcat version 1.0\nfile {path.parent / 'secret.mp4'}\n")


def playlist(path: Path) -> None:
    make_video(path.parent / "secret.ts", frames(2))
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{path.parent / 'secret.ts'}\n#EXT-X-ENDLIST\n")


ODD = [
    (lambda path: path.write_bytes(b""), "empty"),
    (lambda path: path.write_bytes(b"\0" * 5000), "not_a_video"),
    (lambda path: path.write_bytes(b"<html>moved</html>"), "not_a_video"),
    (lambda path: path.write_bytes(b"\0\0\0\x18ftypmp42" + bytes(100)), "damaged"),
    (lambda path: path.write_bytes(b"\0\0\0\x18ftypmp42" + bytes(12) + b"\0\1\0\0mdat" + bytes(100)), "truncated"),
    (lambda path: path.write_bytes(b"\x1a\x45\xdf\xa3" + bytes(range(256)) * 9), "damaged"),
    (lambda path: None, "vanished"),
    (lambda path: path.mkdir(), "not_a_file"),
    (lambda path: os.mkfifo(path), "not_a_file"),
    (huge, "too_large"),
    (without_pictures, "not_a_video"),
    (without_frames, "not_a_video"),
    (listing, "not_a_video"),
    (playlist, "not_a_video"),
]


@pytest.mark.parametrize(("make", "kind"), ODD)
def test_what_is_no_video_gives_a_failure(tmp_path: Path, make: Callable[[Path], None], kind: str) -> None:
    make(tmp_path / "x.mp4")
    (failure,) = Video(0, "x.mp4", str(tmp_path / "x.mp4"), ReadOptions()).frames()
    assert isinstance(failure, Failure) and failure.kind == kind, failure


JOINED = {
    "a.ts": Recipe(audio="aac"),
    "a.mpg": Recipe("mpeg2video", audio="mp2"),
    "a.mkv": Recipe(),
    "a.webm": Recipe("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8"}),
}


def joined(path: Path, recipe: Recipe, count: int = COUNT) -> Path:
    """Two recordings, one behind the other in one file, each with a clock that starts at its own beginning."""
    for start in (0, count):
        part = make_video(path.with_stem("part"), [numbered(start + number) for number in range(count)], recipe)
        with path.open("ab") as file:
            file.write(part.read_bytes())
    return path


@pytest.mark.parametrize("name", JOINED)
def test_time_goes_on_where_a_clock_starts_again(tmp_path: Path, name: str) -> None:
    found, failure, reading = read(joined(tmp_path / name, JOINED[name]))
    assert failure is None and [number_of(frame.image) for frame in found] == list(range(2 * COUNT))
    times = [frame.time or 0.0 for frame in found]
    assert [round(later - time, 3) for time, later in pairwise(times)] == [0.04] * (2 * COUNT - 1)
    assert reading.facts.duration == pytest.approx(2 * COUNT / 25, abs=0.001)
    assert all(later.pts > frame.pts for frame, later in pairwise(found))


@pytest.mark.parametrize(
    ("name", "count", "at"),
    [("a.ts", 500, 450), ("a.ts", 500, 650), ("a.mpg", 500, 214), ("a.mkv", 30, 15), ("a.webm", 30, 45)],
)
def test_reading_goes_on_at_a_place_whose_time_comes_twice(tmp_path: Path, name: str, count: int, at: int) -> None:
    path = joined(tmp_path / name, JOINED[name], count)
    whole, _, reading = read(path)
    rest, failure, again = read(path, after=whole[at].position)
    assert failure is None and again.facts == reading.facts
    assert [(frame.index, frame.time, frame.pts) for frame in rest] == [
        (frame.index, frame.time, frame.pts) for frame in whole[at + 1 :]
    ]
    assert [number_of(frame.image) for frame in rest] == list(range(at + 1, 2 * count))


def test_a_jump_ahead_of_a_clock_is_a_gap_in_the_recording(tmp_path: Path) -> None:
    times = [number + 1000 * (number >= 10) for number in range(20)]
    found, failure, reading = read(make_video(tmp_path / "x.mkv", frames(20), Recipe(times=times)))
    assert failure is None and [round((frame.time or 0) * 25) for frame in found] == times
    assert reading.facts.duration == pytest.approx(1020 / 25)


def test_a_name_that_is_not_unicode(tmp_path: Path) -> None:
    path = make_video(tmp_path / "x.mp4", frames(3))
    odd = os.path.join(os.fsencode(tmp_path), b"http:\xff %d,.mp4")  # noqa: PTH118
    os.rename(path, odd)  # noqa: PTH104
    assert len(read(os.fsdecode(odd))[0]) == 3


@pytest.mark.parametrize("megabytes", [4, 20, 30, 50])
def test_memory_that_is_out_is_a_failure_and_no_exception(tmp_path: Path, megabytes: int) -> None:
    make_video(tmp_path / "x.mp4", [np.zeros((2160, 3840, 3), np.uint8)] * 2, Recipe(options={"preset": "ultrafast"}))
    code = """
import os, resource, sys
os.environ["OPENBLAS_NUM_THREADS"] = "1"
from entrypoint.sources.extent import Extent, opened
from entrypoint.sources.filetype import identify
from entrypoint.sources.video import VideoReading
used = int(open("/proc/self/statm").read().split()[5]) * 4096
resource.setrlimit(resource.RLIMIT_DATA, (used + (int(sys.argv[2]) << 20),) * 2)
with opened(sys.argv[1]) as file:
    print([getattr(one, "kind", "frame") for one in VideoReading(Extent(file))])
"""
    command = [sys.executable, "-c", code, str(tmp_path / "x.mp4"), str(megabytes)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout in ("['out_of_memory']\n", "['frame', 'out_of_memory']\n")


def test_facts_before_and_after(tmp_path: Path) -> None:
    with extent_of(make_video(tmp_path / "x.mp4", frames())) as extent:
        reading = VideoReading(extent)
        assert reading.facts == VideoFacts(None, None, 0, None)
        for _ in zip(range(3), reading, strict=False):
            pass
    assert reading.facts == VideoFacts(25.0, COUNT, 3, COUNT / 25)
