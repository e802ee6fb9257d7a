"""No input is lost silently: every broken one has a record with its reason, the good ones have their results."""

import ctypes
import json
import os
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from entrypoint.sources.samples import DEMO_SCENES
from tests.conftest import ROOT, records
from tests.schemas import assert_valid

_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 24, 1, 2

# The command, but for a file that is deleted between the listing and its turn.
_WITH_A_VANISHING_FILE = """
import os, sys
from entrypoint.cli.command import command as cli
from entrypoint.run import source
list_media = source.scan
def list_and_lose(*args):
    listing = list_media(*args)
    os.unlink(os.environ["VANISHES"])
    return listing
source.scan = list_and_lose
cli.main()
"""


def drop_root_reading() -> None:
    """In the child: root without the right to read what its mode forbids, as any other user."""
    libc = ctypes.CDLL(None)
    for capability in (_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH):
        libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)


def png_that_declares(width: int, height: int) -> bytes:
    small = bytearray(cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes())
    small[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    small[29:33] = zlib.crc32(bytes(small[12:29])).to_bytes(4, "big")
    return bytes(small)


def make_folder(folder: Path) -> dict[str, str]:
    """Ten good images and eight broken ones; gives the kind of failure by file."""
    scenes = sorted(DEMO_SCENES.iterdir())
    (folder / "deep" / "er").mkdir(parents=True)
    for number in range(10):
        where = folder if number % 2 else folder / "deep" / "er"
        (where / f"good {number}.png").write_bytes(scenes[number % len(scenes)].read_bytes())
    jpeg = cv2.imencode(".jpg", cv2.imread(str(scenes[0])))[1].tobytes()  # type: ignore[arg-type]
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "truncated.jpg").write_bytes(jpeg[: len(jpeg) * 2 // 3])
    (folder / "text.jpg").write_text("The file you asked for has moved.\n")
    (folder / "huge.png").write_bytes(png_that_declares(60_000, 60_000))
    (folder / "unreadable.jpg").write_bytes(jpeg)
    (folder / "unreadable.jpg").chmod(0)
    (folder / "vanishes.jpg").write_bytes(jpeg)
    (folder / "dangling.jpg").symlink_to("nowhere.jpg")
    (folder / "x.jpg").mkdir()
    return {
        "empty.jpg": "empty",
        "truncated.jpg": "truncated",
        "text.jpg": "not_an_image",
        "huge.png": "too_large",
        "unreadable.jpg": "unreadable",
        "vanishes.jpg": "vanished",
        "dangling.jpg": "dangling_link",
        "x.jpg": "not_a_file",
    }


@pytest.mark.parametrize(("allowed", "code"), [(0, 5), (7, 5), (8, 0)])
def test_ten_good_images_and_eight_broken_ones(tmp_path: Path, allowed: int, code: int) -> None:
    broken = make_folder(tmp_path / "in")
    options = ["--demo", "--source", tmp_path / "in", "--project", tmp_path, "--max-failures", allowed, "--save-txt"]
    done = subprocess.run(
        [sys.executable, "-c", _WITH_A_VANISHING_FILE, *map(str, options)],
        cwd=ROOT,
        env=os.environ | {"VANISHES": str(tmp_path / "in" / "vanishes.jpg")},
        preexec_fn=drop_root_reading,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    run = tmp_path / "exp"
    found = records(run)
    assert {file: record["failure"].partition(":")[0] for file, record in found.items() if record["failure"]} == broken
    good = [record for record in found.values() if record["failure"] is None]
    assert len(good) == 10
    assert all(record["detections"] for record in good)
    for record in good:
        assert (run / "images" / record["file"]).is_file()
        assert (run / "labels" / f"{record['file']}.txt").is_file()
    for file, record in found.items():
        assert json.loads((run / "labels" / f"{file}.json").read_bytes()) == record

    status = json.loads((run / "status.json").read_bytes())
    assert_valid(status, "status")
    assert (status["state"], status["exit_code"]) == ("finished", code)
    assert status["counts"]["total"] == 18
    assert (status["counts"]["done"], status["counts"]["failed"], status["counts"]["not_done"]) == (10, 8, 0)
    assert status["failures"]["by_kind"] == dict.fromkeys(broken.values(), 1)
    assert done.stdout.startswith("8 of 18 images failed; ")
    assert len(done.stdout.encode()) < 2048
