"""A JPEG image whose data are damaged is told from a whole one, by libjpeg's own warnings, and no whole one suffers."""

import io
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from entrypoint.sources.decode import decode_image
from entrypoint.sources.samples import DEMO_SCENES, bundled_images
from entrypoint.values import Failure
from tests.conftest import ROOT, Ended, records

Run = Callable[..., Ended]
BUS = (bundled_images() / "bus.jpg").read_bytes()


def saved(kind: str = "JPEG", mode: str = "RGB", **options: object) -> bytes:
    buffer = io.BytesIO()
    Pillow.open(io.BytesIO(BUS)).resize((405, 540)).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


JPEG = saved(quality=90)
MIDDLE = JPEG.index(b"\xff\xda") + (len(JPEG) - JPEG.index(b"\xff\xda")) // 2


def kind_of_failure(data: bytes) -> str | None:
    found = decode_image(data)
    return found.kind if isinstance(found, Failure) else None


WHOLE = {
    "plain": JPEG,
    "progressive": saved(progressive=True),
    "restart markers": saved(restart_marker_blocks=7),
    "CMYK": saved(mode="CMYK"),
    "grey": saved(mode="L"),
    "thumbnail": saved(exif=b"Exif\0\0" + JPEG[:20000]),
    "MPO": saved("MPO", save_all=True, append_images=[Pillow.new("RGB", (40, 30))]),
    "zeros behind": JPEG + bytes(500),
    "anything behind": JPEG + bytes(range(256)),
    "filled up with zeros": JPEG[:-2] + bytes(9) + JPEG[-2:],
    "fill bytes": JPEG[:-2] + b"\xff\xff\xff" + JPEG[-2:],
    "one byte too many": JPEG[:-2] + b"\x00\x07" + JPEG[-2:],
    "bad colour profile": saved(icc_profile=b"no profile"),
}
DAMAGED = {
    "cut, but ending": JPEG[:MIDDLE] + b"\xff\xd9",
    "cut early": JPEG[: JPEG.index(b"\xff\xda") + 200] + b"\xff\xd9",
    "bytes missing": JPEG[:MIDDLE] + JPEG[MIDDLE + 100 :],
    "zeros in the middle": JPEG[:MIDDLE] + bytes(512) + JPEG[MIDDLE + 512 :],
    "another's middle": JPEG[:MIDDLE] + BUS[MIDDLE : MIDDLE + 4096] + JPEG[MIDDLE + 4096 :],
    "progressive, bytes missing": WHOLE["progressive"][:MIDDLE] + WHOLE["progressive"][MIDDLE + 400 :],
    "restart markers missing": WHOLE["restart markers"][:MIDDLE] + WHOLE["restart markers"][MIDDLE + 1000 :],
}


@pytest.mark.parametrize("name", WHOLE)
def test_whole_images_are_whole(name: str) -> None:
    assert kind_of_failure(WHOLE[name]) is None


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_images_are_told(name: str) -> None:
    assert kind_of_failure(DAMAGED[name]) == "damaged"
    taken = decode_image(DAMAGED[name], accept_damaged=True)
    expected = cv2.imdecode(np.frombuffer(DAMAGED[name], np.uint8), cv2.IMREAD_COLOR)
    assert expected is not None
    np.testing.assert_array_equal(taken, expected)


def test_real_photographs_are_whole(data: Path) -> None:
    for path in sorted((data / "images").iterdir()):
        assert kind_of_failure(path.read_bytes()) is None, path.name


def test_most_damage_is_told() -> None:
    random.seed(1)
    told = 0
    for _ in range(60):
        place = random.randrange(JPEG.index(b"\xff\xda") + 14, len(JPEG) - 1100)
        told += kind_of_failure(JPEG[:place] + random.randbytes(1024) + JPEG[place + 1024 :]) == "damaged"
    assert told >= 54


def test_many_at_once_are_told_apart() -> None:
    files = [(name, data) for name, data in (WHOLE | DAMAGED).items()] * 6
    random.seed(2)
    random.shuffle(files)
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda file: kind_of_failure(file[1]), files))
    assert found == ["damaged" if name in DAMAGED else None for name, _ in files]


def test_what_libraries_print_does_not_reach_the_log(tmp_path: Path) -> None:
    code = (
        "import sys, ctypes; from entrypoint.sources.decode import decode_image\n"
        "libc = ctypes.CDLL(None); out = lambda: ctypes.c_void_p.in_dll(libc, 'stderr')\n"
        "decode_image(open(sys.argv[1], 'rb').read())\n"
        "libc.fputs(b'still there', out())"
    )
    (tmp_path / "x.jpg").write_bytes(DAMAGED["bytes missing"])
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "x.jpg"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("", "still there")


@pytest.mark.parametrize("accepted", [False, True])
def test_a_job_with_a_damaged_image(yolo_bac: Run, tmp_path: Path, accepted: bool) -> None:
    source = tmp_path / "in"
    source.mkdir()
    (source / "bad.jpg").write_bytes(DAMAGED["bytes missing"])
    (source / "good.png").write_bytes((DEMO_SCENES / "scene-1.png").read_bytes())
    options = ["--accept-damaged"] * accepted
    ended = yolo_bac("--demo", "--source", source, "--project", tmp_path, *options)
    found = records(tmp_path / "exp")
    assert ended.code == (0 if accepted else 5)
    assert found["good.png"]["detections"]
    if accepted:
        assert found["bad.jpg"]["failure"] is None and found["bad.jpg"]["width"] == 405
    else:
        assert found["bad.jpg"]["failure"].startswith("damaged: a JPEG image whose data are damaged: ")
        assert json.loads((tmp_path / "exp" / "status.json").read_bytes())["failures"]["by_kind"] == {"damaged": 1}


def test_a_job_with_json_lines_prints_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "bad.jpg").write_bytes(DAMAGED["zeros in the middle"])
    options = ["--demo", "--source", tmp_path / "in", "--project", tmp_path, "--log-format", "json"]
    done = subprocess.run(
        [sys.executable, "-m", "entrypoint", *map(str, options)],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 5
    assert all(json.loads(line) for line in done.stderr.splitlines())
