"""The real YOLOv5 as a peer: its repository, which `scripts/peers FOLDER` clones, at any of its releases.

It runs in processes of its own, on this environment's packages and a few more that the peer brings; nothing of it is
imported here, and none of it is part of this project.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib
import pytest


def peer() -> Path:
    """The clone. Skips the test where there is none."""
    folder = os.environ.get("YOLO_BAC_PEERS")
    if not folder or not Path(folder, "yolov5", "detect.py").is_file():
        pytest.skip("YOLO_BAC_PEERS names no folder into which scripts/peers has cloned yolov5")
    return Path(folder, "yolov5")


def released(version: str, target: Path) -> Path:
    """The files of a release, below a new folder."""
    target.mkdir()
    packed = subprocess.run(["git", "-C", peer(), "archive", version], check=True, capture_output=True).stdout
    subprocess.run(["tar", "x", "-C", target], check=True, input=packed)
    # Some releases fetch a font by this name while they are imported, unless it is there.
    shutil.copy(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"), target / "Arial.ttf")
    return target


def run(folder: Path, *arguments: object) -> None:
    """Run Python in a folder of YOLOv5's code, away from the network and from the home."""
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join((str(folder), str(peer().with_name("yolov5-packages")))),
        "YOLO_OFFLINE": "true",
        **dict.fromkeys(("HOME", "YOLO_CONFIG_DIR", "YOLOV5_CONFIG_DIR"), str(folder)),
        "YOLOv5_AUTOINSTALL": "false",
        "MPLBACKEND": "Agg",
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-W", "ignore", *map(str, arguments)]
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout[-2000:] + ended.stderr[-4000:]
