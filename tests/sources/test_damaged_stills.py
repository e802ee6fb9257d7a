"""No image of any format passes for whole when it is cut, and damage is told wherever the format can tell of it."""

import io
import os
import random
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pillow_heif
import pytest
from PIL import Image as Pillow

from entrypoint.sources.decode import decode_image
from entrypoint.sources.samples import bundled_images
from entrypoint.values import Failure
from tests.conftest import ROOT, Ended, records

Run = Callable[..., Ended]
BUS = Pillow.open(bundled_images() / "bus.jpg").resize((203, 270))


def saved(kind: str, mode: str = "RGB", **options: Any) -> bytes:
    buffer = io.BytesIO()
    BUS.convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


def written(suffix: str) -> bytes:
    return cv2.imencode(suffix, np.asarray(BUS)[..., ::-1].astype(np.float32) / 255)[1].tobytes()


def photograph() -> bytes:
    buffer = io.BytesIO()
    pillow_heif.from_pillow(BUS).save(buffer, quality=90)
    return buffer.getvalue()


TELLING = {
    "TIFF, LZW": saved("TIFF", compression="tiff_lzw"),
    "TIFF, deflate": saved("TIFF", compression="tiff_adobe_deflate"),
    "TIFF, JPEG": saved("TIFF", compression="jpeg"),
    "TIFF, CCITT": saved("TIFF", "1", compression="group4"),
    "PNG": saved("PNG"),
    "GIF": saved("GIF"),
    "AVIF": saved("AVIF"),
    "HDR": written(".hdr"),
    "JPEG": saved("JPEG", quality=90),
}
# Any value is as good as another in these: nothing is wrong with changed data but the pixels.
SILENT = {
    "TIFF": saved("TIFF"),
    "BMP": saved("BMP"),
    "PPM": saved("PPM"),
    "Sun raster": cv2.imencode(".ras", np.asarray(BUS))[1].tobytes(),
    "JPEG 2000": saved("JPEG2000"),
    "WebP": saved("WEBP"),
    "WebP, lossless": saved("WEBP", lossless=True),
    "HEIC": photograph(),
}


@pytest.mark.parametrize("name", TELLING | SILENT)
def test_no_cut_passes_for_whole(name: str) -> None:
    whole = (TELLING | SILENT)[name]
    assert not isinstance(decode_image(whole), Failure)
    for length in [*range(16, len(whole) - 16, len(whole) // 25), len(whole) - 16]:
        found = decode_image(whole[:length])
        assert isinstance(found, Failure) and found.kind in ("truncated", "damaged", "not_an_image"), length


@pytest.mark.parametrize("name", TELLING)
def test_changed_data_are_told(name: str) -> None:
    whole = TELLING[name]
    generator = random.Random(4)
    for _ in range(20):
        place = generator.randrange(len(whole) // 4, len(whole) * 3 // 4)
        found = decode_image(whole[:place] + generator.randbytes(200) + whole[place + 200 :])
        assert isinstance(found, Failure) and found.kind == "damaged"


@pytest.mark.parametrize("name", ["PNG", "TIFF, deflate"])
def test_a_changed_bit_is_told_where_there_are_checksums(name: str) -> None:
    whole = TELLING[name]
    for place in range(len(whole) // 2, len(whole) // 2 + 40):
        found = decode_image(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert isinstance(found, Failure) and found.kind == "damaged"


@pytest.mark.parametrize("name", ["a profile that is none", "text with a wrong checksum"])
def test_png_warnings_that_cost_no_pixel(name: str) -> None:
    if name == "a profile that is none":
        data = saved("PNG", icc_profile=b"no profile" * 9)
    else:
        whole = TELLING["PNG"]
        data = whole[:33] + b"\0\0\0\3tEXta\0b\1\2\3\4" + whole[33:]
    np.testing.assert_array_equal(decode_image(data), decode_image(TELLING["PNG"]))


def test_many_at_once_are_told_apart() -> None:
    generator = random.Random(5)
    files = []
    for name, whole in (TELLING | SILENT).items():
        files.append((name, whole, False))
        if name in TELLING:
            place = len(whole) // 2
            files.append((name, whole[:place] + generator.randbytes(200) + whole[place + 200 :], True))
    files *= 4
    generator.shuffle(files)
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda file: isinstance(decode_image(file[1]), Failure), files))
    assert found == [damaged for _, _, damaged in files]


def damaged_tiff() -> bytes:
    whole, generator = TELLING["TIFF, LZW"], random.Random(6)
    place = len(whole) // 2
    return whole[:place] + generator.randbytes(200) + whole[place + 200 :]


@pytest.mark.parametrize("accepted", [False, True])
def test_a_job_with_a_damaged_tiff(yolo_bac: Run, tmp_path: Path, accepted: bool) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "bad.tif").write_bytes(damaged_tiff())
    options = ["--accept-damaged"] * accepted
    ended = yolo_bac("--demo", "--source", tmp_path / "in", "--project", tmp_path, *options)
    found = records(tmp_path / "exp")["bad.tif"]
    assert ended.code == (0 if accepted else 5)
    if accepted:
        assert found["failure"] is None and found["width"] == 203
    else:
        assert found["failure"].startswith("damaged: a TIFF image whose data are damaged: ")


@pytest.mark.parametrize("level", ["SILENT", "ERROR", "WARNING"])
def test_the_words_of_libtiff_do_not_reach_the_log(tmp_path: Path, level: str) -> None:
    """They come by way of C++'s `std::cerr`, whose writes go where they went before when the image is decoded."""
    code = (
        "import sys, cv2, numpy; from entrypoint.sources.decode import decode_image\n"
        "level = cv2.utils.logging.getLogLevel()\n"
        "print(decode_image(open(sys.argv[1], 'rb').read()).kind)\n"
        "assert cv2.utils.logging.getLogLevel() == level\n"
        "cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)\n"
        "cv2.imencode('.ppm', numpy.zeros((4, 4), numpy.uint8))\n"
    )
    (tmp_path / "x.tif").write_bytes(damaged_tiff())
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "x.tif"],
        cwd=ROOT,
        env=os.environ | {"OPENCV_LOG_LEVEL": level},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "damaged\n"
    assert "imencode" in done.stderr and "TIFF" not in done.stderr
