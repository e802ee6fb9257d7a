"""An annotated video has the frames, the times and the sound of its source, whatever pieces it was made in."""

import subprocess
import sys
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from entrypoint.results.videojoin import join
from entrypoint.results.videopiece import Piece, PieceWriter
from entrypoint.sources.look import Look
from entrypoint.sources.moving import PlacedFrame
from entrypoint.sources.video import VideoReading
from tests.conftest import ROOT
from tests.videos import Recipe, extent_of, make_video, number_of, numbered

COUNT = 40


def frames(width: int = 192, height: int = 128) -> list[NDArray[np.uint8]]:
    return [numbered(number, width, height) for number in range(COUNT)]


def read(path: Path) -> tuple[list[PlacedFrame], Look]:
    with extent_of(path) as extent:
        reading = VideoReading(extent)
        found = [frame for frame in reading if isinstance(frame, PlacedFrame)]
    assert reading.look is not None
    return found, reading.look


def piece(path: Path, frames: Sequence[PlacedFrame], look: Look) -> Piece:
    height, width = frames[0].image.shape[:2]
    writer = PieceWriter(str(path), look, width, height)
    for frame in frames:
        writer.write(frame.image, frame.pts)
    writer.close()
    return Piece(str(path), frames[0].pts)


def annotated(source: Path, folder: Path, length: int) -> tuple[Path, str | None]:
    """What a run would make of a video, in pieces of so many frames, with nothing drawn on it."""
    found, look = read(source)
    starts = range(0, len(found), length)
    pieces = [piece(folder / f"{start}.mp4", found[start : start + length], look) for start in starts]
    target = folder / "100 % of a, video.mp4"
    with extent_of(source) as extent:
        return target, join(str(target), pieces, look, extent)


def test_sound_goes_on_where_its_clock_starts_again(tmp_path: Path) -> None:
    parts = [make_video(tmp_path / f"{number}.ts", frames(), Recipe(audio="aac")) for number in range(2)]
    (tmp_path / "x.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    path, said = annotated(tmp_path / "x.ts", tmp_path, 2 * COUNT)
    assert said is None
    with av.open(str(path)) as video:
        seconds = float(video.streams.audio[0].duration * video.streams.audio[0].time_base)  # type: ignore[operator]
    assert seconds == pytest.approx(2 * COUNT / 25, abs=0.2)


SOURCES = {
    "plain.mp4": Recipe(audio="aac"),
    "turned.mp4": Recipe(turned=90),
    "late.mp4": Recipe(times=[number + 50 for number in range(COUNT)]),
    "variable.mp4": Recipe(times=[number * number * 40 for number in range(COUNT)], time_base=Fraction(1, 1000)),
    "ntsc.mkv": Recipe(rate=Fraction(30000, 1001), audio="libopus"),
    "sound.ts": Recipe(audio="aac"),
    "sound.mpg": Recipe("mpeg2video", audio="mp2"),
    "sound.avi": Recipe("mpeg4", audio="libmp3lame"),
    "full.avi": Recipe("mjpeg", pixels="yuvj420p"),
}


@pytest.mark.parametrize("name", SOURCES)
def test_frames_and_times_are_the_source_s_own(tmp_path: Path, name: str) -> None:
    source = make_video(tmp_path / name, frames(), SOURCES[name])
    target, said = annotated(source, tmp_path, 16)
    expected, look = read(source)
    found, _ = read(target)
    assert said is None
    if name != "turned.mp4":
        assert [number_of(frame.image) for frame in found] == list(range(COUNT))
    for frame, original in zip(found, expected, strict=True):
        assert frame.time == pytest.approx(original.time - look.origin, abs=0.0005)  # type: ignore[operator]
        assert frame.image.shape == original.image.shape
        assert np.abs(frame.image.astype(int) - original.image).mean() < 4
    assert (found[0].time or 0) < 3  # a broadcast's clock does not become minutes of nothing


@pytest.mark.parametrize("name", ["plain.mp4", "ntsc.mkv", "sound.ts", "sound.avi"])
def test_sound_is_copied(tmp_path: Path, name: str) -> None:
    source = make_video(tmp_path / name, frames(), SOURCES[name])
    target, _ = annotated(source, tmp_path, 16)

    def sound(path: Path) -> tuple[str, float, float, float]:
        with av.open(str(path)) as container:
            first = container.start_time or 0
            packets = list(container.decode(audio=0))
            return (
                container.streams.audio[0].codec_context.codec.canonical_name,
                (packets[0].time or 0) - first / av.time_base,
                (packets[-1].time or 0) - first / av.time_base,
                float(np.abs(packets[5].to_ndarray()).max()),
            )

    (codec, *times), (expected, *original) = sound(target), sound(source)
    assert codec == expected
    assert times == pytest.approx(original, abs=0.02)


def test_sound_that_mp4_does_not_take_is_left_out_and_said(tmp_path: Path) -> None:
    source = make_video(tmp_path / "x.wmv", frames(), Recipe("wmv2", audio="wmav2"))
    target, said = annotated(source, tmp_path, 16)
    assert said == "sound that MP4 does not take is left out: wmav2"
    with av.open(str(target)) as container:
        assert not container.streams.audio
    assert len(read(target)[0]) == COUNT


def test_in_pieces_or_not_the_pixels_of_each_frame_depend_on_its_own_piece_alone(tmp_path: Path) -> None:
    source = make_video(tmp_path / "x.mp4", frames(), Recipe(audio="aac"))
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, other = annotated(source, tmp_path / "a", 16)[0], annotated(source, tmp_path / "b", 16)[0]
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize(("width", "height"), [(191, 127), (192, 127), (33, 64)])
def test_odd_sizes_get_one_line_more(tmp_path: Path, width: int, height: int) -> None:
    look = Look(Fraction(1, 25), 25)
    image = numbered(5, 192, 128)[:height, :width]
    writer = PieceWriter(str(tmp_path / "x.mp4"), look, width, height)
    writer.write(np.ascontiguousarray(image), 0)
    writer.close()
    found = read(tmp_path / "x.mp4")[0][0].image
    assert found.shape[:2] == (height + height % 2, width + width % 2)
    assert np.abs(found[:height, :width].astype(int) - image).mean() < 6


def test_what_browsers_need(tmp_path: Path) -> None:
    source = make_video(tmp_path / "x.mkv", frames(), Recipe("ffv1", pixels="yuv444p"))
    target, _ = annotated(source, tmp_path, 16)
    data = target.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    with av.open(str(target)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        keys = [frame.time or 0.0 for frame in container.decode(stream) if frame.key_frame]
    assert max(later - key for key, later in pairwise(keys)) <= 1


def test_a_full_disk_is_an_os_error(tmp_path: Path) -> None:
    look = Look(Fraction(1, 25), 25)
    noise = np.random.default_rng(0).integers(0, 255, (512, 512, 3), dtype=np.uint8)
    writer = PieceWriter("/dev/full", look, 512, 512)
    with pytest.raises(OSError, match="space"):
        for pts in range(9):
            writer.write(noise, pts)
    writer.discard()


def test_a_killed_writer_leaves_frames_that_can_be_read(tmp_path: Path) -> None:
    code = """
import os, signal, sys
import numpy as np
from fractions import Fraction
from entrypoint.results.videopiece import PieceWriter
from entrypoint.sources.look import Look
from tests.videos import numbered
writer = PieceWriter(sys.argv[1], Look(Fraction(1, 25), 25), 192, 128)
noise = np.random.default_rng(0).integers(0, 60, (128, 192, 3), dtype=np.uint8)
for number in range(100):
    writer.write(np.roll(noise, number, 0) + numbered(number) // 2, number)
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "x.mp4")], cwd=ROOT, check=False)
    assert len(read(tmp_path / "x.mp4")[0]) >= 25
