"""Encoding: what OpenCV does not tell apart, an image no format takes and memory that is out, is told apart."""

import subprocess
import sys

import numpy as np

from entrypoint.results.encode import encode_image
from tests.conftest import ROOT

GUARDED = """
import cv2, numpy
from entrypoint.host import limits, memory
from entrypoint.host.memory import is_out_of_memory
from entrypoint.results.encode import leave_image
from entrypoint.values import ResultError
image = numpy.random.default_rng(0).integers(0, 256, (4000, 4000, 3), numpy.uint8)
limits.memory_limit = lambda: memory._status("RssAnon") + (60 << 20)
memory.guard()
said = []
for suffix in (".jpg", ".png", ".bmp", ".webp", ".tif"):
    try:
        leave_image(image, [(f"images/x{suffix}", suffix)], 95, lambda path, data: said.append("written"))
    except ResultError:
        said.append("no format")
    except Exception as error:
        assert is_out_of_memory(error), repr(error)
        said.append("memory")
print(*said)
"""


def test_memory_that_is_out_is_never_taken_for_an_image_that_no_format_takes() -> None:
    done = subprocess.run([sys.executable, "-c", GUARDED], cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = done.stdout.split()
    assert len(said) == 5 and "memory" in said and "no format" not in said, said


def test_sizes_that_a_format_does_not_take() -> None:
    wide = np.zeros((1, 70000, 3), np.uint8)
    assert [suffix for suffix in (".jpg", ".webp", ".gif", ".png") if encode_image(suffix, wide, 95)] == [".png"]
