"""A corpus of small videos: whole ones of every kind, odd ones and broken ones, each with what is expected of it.

`python -m tests.corpus FOLDER` makes it there, runs the program over it and prints expected against seen.
"""

import json
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from tests.videos import Recipe, make_video, numbered

COUNT = 24
_QUIET = {"x265-params": "log-level=none", "preset": "ultrafast"}
_FAST = {"deadline": "realtime", "cpu-used": "8"}
_FRONT = Recipe(container={"movflags": "+faststart"})


Make = Callable[[Path], object]


@dataclass(frozen=True)
class Case:
    """What is expected: a kind of failure, or None; from how many to how many frames; (width, height) where told."""

    make: Make
    failure: str | None = None
    frames: tuple[int, int] = (COUNT, COUNT)
    size: tuple[int, int] | None = (192, 128)


def frames(count: int = COUNT, width: int = 192, height: int = 128) -> list[NDArray[np.uint8]]:
    """Numbered frames with some noise, so that they take some bytes."""
    noise = np.random.default_rng(0).integers(0, 12, (height, width, 3), dtype=np.uint8)
    return [numbered(number, width, height) + np.roll(noise, number, 0) for number in range(count)]


def whole(recipe: Recipe | None = None, count: int = COUNT, width: int = 192, height: int = 128) -> Make:
    """Makes a video of so many frames."""
    return lambda path: make_video(path, frames(count, width, height), recipe)


def broken(recipe: Recipe, change: Callable[[bytes], bytes]) -> Make:
    """Makes a video and changes its bytes."""

    def make(path: Path) -> None:
        make_video(path, frames(), recipe)
        path.write_bytes(change(path.read_bytes()))

    return make


def cut(data: bytes) -> bytes:
    return data[: len(data) * 6 // 10 | 1]


def garbled(data: bytes) -> bytes:
    chance, changed = random.Random(1), bytearray(data)
    for _ in range(12):
        place = chance.randrange(len(data) // 3, len(data) * 9 // 10)
        changed[place : place + 8] = chance.randbytes(8)
    return bytes(changed)


def bytes_of(data: bytes) -> Make:
    return lambda path: path.write_bytes(data)


def of_two_sizes(path: Path) -> None:
    parts = [path.with_name(f"{width}.h264") for width in (192, 320)]
    for part, width, height in zip(parts, (192, 320), (128, 160), strict=True):
        make_video(part, frames(COUNT // 2, width, height))
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    for part in parts:
        part.unlink()


def only_sound(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=48000)
        assert isinstance(stream, av.AudioStream)
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
        frame.sample_rate = 48000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


def without_frames(path: Path) -> None:
    """A stream of pictures is declared, and none is in it."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 192, 128, "yuv420p"
        container.start_encoding()


def huge(path: Path) -> None:
    make_video(path, [np.zeros((8192, 8192, 3), np.uint8)], Recipe(options={"preset": "ultrafast"}))


TIMES = [number * number for number in range(COUNT)]
LATE = [number + 50 for number in range(COUNT)]
HUNDREDTH = Fraction(1, 100)

CORPUS: dict[str, Case] = {
    # codecs and containers
    "h264.mp4": Case(whole()),
    "h264.mkv": Case(whole()),
    "h264.mov": Case(whole()),
    "h264.avi": Case(whole()),
    "h264.flv": Case(whole()),
    "h264.ts": Case(whole()),
    "h264.m4v": Case(whole()),
    "h264 in pieces.mp4": Case(whole(Recipe(container={"movflags": "frag_keyframe+empty_moov"}))),
    "h264 444.mkv": Case(whole(Recipe(pixels="yuv444p"))),
    "hevc.mp4": Case(whole(Recipe("libx265", _QUIET))),
    "hevc 10 bits.mkv": Case(whole(Recipe("libx265", _QUIET, pixels="yuv420p10le"))),
    "vp8.webm": Case(whole(Recipe("libvpx", _FAST))),
    "vp9.webm": Case(whole(Recipe("libvpx-vp9", _FAST))),
    "av1.mp4": Case(whole(Recipe("libsvtav1", {"preset": "11"}))),
    "av1.mkv": Case(whole(Recipe("libsvtav1", {"preset": "11"}))),
    "mjpeg.avi": Case(whole(Recipe("mjpeg", pixels="yuvj420p"))),
    "mjpeg.mov": Case(whole(Recipe("mjpeg", pixels="yuvj422p"))),
    "mpeg4.avi": Case(whole(Recipe("mpeg4"))),
    "mpeg4.mp4": Case(whole(Recipe("mpeg4"))),
    "mpeg2.mpg": Case(whole(Recipe("mpeg2video"))),
    "mpeg1.mpg": Case(whole(Recipe("mpeg1video"))),
    "wmv.wmv": Case(whole(Recipe("wmv2"))),
    "prores.mov": Case(whole(Recipe("prores_ks", pixels="yuv422p10le"))),
    "ffv1.mkv": Case(whole(Recipe("ffv1"))),
    # sound
    "aac.mp4": Case(whole(Recipe(audio="aac"))),
    "opus.webm": Case(whole(Recipe("libvpx-vp9", _FAST, audio="libopus"))),
    "mp3.avi": Case(whole(Recipe("mpeg4", audio="libmp3lame"))),
    "wma.wmv": Case(whole(Recipe("wmv2", audio="wmav2"))),
    # times
    "variable.mp4": Case(whole(Recipe(times=TIMES, time_base=HUNDREDTH))),
    "variable.mkv": Case(whole(Recipe(times=TIMES, time_base=HUNDREDTH))),
    "late.mp4": Case(whole(Recipe(times=LATE))),
    "late.mkv": Case(whole(Recipe(times=LATE))),
    "ntsc.mp4": Case(whole(Recipe(rate=Fraction(30000, 1001)))),
    # turned, and of other sizes
    "turned 90.mp4": Case(whole(Recipe(turned=90)), size=(128, 192)),
    "turned -90.mp4": Case(whole(Recipe(turned=-90)), size=(128, 192)),
    "turned 180.mp4": Case(whole(Recipe(turned=180))),
    "turned 90.mkv": Case(whole(Recipe(turned=90)), size=(128, 192)),
    "odd sides.mkv": Case(whole(Recipe("ffv1", pixels="bgr0"), width=101, height=87), size=(101, 87)),
    "tall.mp4": Case(whole(width=96, height=400), size=(96, 400)),
    "two sizes.h264": Case(of_two_sizes),
    "one frame.mp4": Case(whole(count=1), frames=(1, 1)),
    # cut
    "cut.mp4": Case(broken(_FRONT, cut), "truncated", (8, COUNT - 1)),
    "cut in pieces.mp4": Case(
        broken(Recipe(container={"movflags": "frag_keyframe+empty_moov"}), cut), "truncated", (8, COUNT - 1)
    ),
    "cut.mkv": Case(broken(Recipe(), cut), "truncated", (8, COUNT - 1)),
    "cut.webm": Case(broken(Recipe("libvpx-vp9", _FAST), cut), "truncated", (8, COUNT - 1)),
    "cut.avi": Case(broken(Recipe("mjpeg", pixels="yuvj420p"), cut), "truncated", (8, COUNT - 1)),
    "cut.ts": Case(broken(Recipe(), cut), "truncated", (8, COUNT - 1)),
    "cut.flv": Case(broken(Recipe(), cut), "truncated", (8, COUNT - 1)),
    "without its index.mp4": Case(broken(Recipe(), cut), "truncated", (0, 0), None),
    # garbled
    "garbled.mp4": Case(broken(_FRONT, garbled), "damaged", (8, COUNT)),
    "garbled.avi": Case(broken(Recipe("mjpeg", pixels="yuvj420p"), garbled), "damaged", (8, COUNT)),
    # nothing to look at
    "empty.mp4": Case(bytes_of(b""), "empty", (0, 0), None),
    "page.mp4": Case(bytes_of(b"<html>moved</html>"), "not_a_video", (0, 0), None),
    "noise.mkv": Case(bytes_of(random.Random(2).randbytes(9000)), "not_a_video", (0, 0), None),
    "head alone.mp4": Case(bytes_of(b"\0\0\0\x18ftypmp42" + bytes(100)), "damaged", (0, 0), None),
    "no frame.mp4": Case(without_frames, "not_a_video", (0, 0), None),  # MP4 then has no stream at all
    "no frame.avi": Case(without_frames, "no_frames", (0, 0), None),
    "no frame.mkv": Case(without_frames, "damaged", (0, 0), None),  # a header that nothing follows
    "sound alone.mp4": Case(only_sound, "not_a_video", (0, 0), None),
    "8192 by 8192.mp4": Case(huge, "too_large", (0, 0), None),
}


def make(folder: Path) -> None:
    """All files of the corpus."""
    for name, case in CORPUS.items():
        case.make(folder / name)


def seen(record: dict[str, Any]) -> tuple[str | None, int, tuple[int, int] | None]:
    """Of a record: the kind of its failure, its frames and its size."""
    failure = record["failure"] and record["failure"].partition(":")[0]
    return failure, record.get("frames_read", 0), record["width"] and (record["width"], record["height"])


def main(folder: Path) -> None:
    (folder / "in").mkdir(parents=True)
    make(folder / "in")
    command = [sys.executable, "-m", "entrypoint", "--demo", "--imgsz", "64", "--source", str(folder / "in")]
    subprocess.run([*command, "--project", str(folder / "out"), "--nosave"], check=False, capture_output=True)
    images = json.loads((folder / "out" / "exp" / "predictions.json").read_bytes())["images"]
    records = {record["file"]: record for record in images}
    print("| file | expected | seen | as it says it |\n|---|---|---|---|")
    for name, case in CORPUS.items():
        failure, count, size = seen(records[name])
        least, most = case.frames
        wanted = f"{case.failure or 'whole'}, {least if least == most else f'{least} to {most}'} frames"
        shown = f"{failure or 'whole'}, {count} frames" + (f", {size[0]} × {size[1]}" if size else "")
        print(f"| {name} | {wanted} | {shown} | {records[name]['failure'] or ''} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
