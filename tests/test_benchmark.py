"""scripts/bench measures what it says, on the embedded demo."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from entrypoint.engines.onnx import OnnxEngine
from entrypoint.engines.torch import TorchEngine
from entrypoint.host.device import CPU
from entrypoint.sources.samples import DEMO_WEIGHTS
from entrypoint.weights.checkpoint import load_checkpoint
from scripts.benchmark.__main__ import OF_VIDEOS, main
from scripts.benchmark.clock import timed
from scripts.benchmark.engines import Meter, Replay
from scripts.benchmark.stages import STAGES
from tests.conftest import ROOT
from tests.videos import moving


def test_every_measurement_is_made(tmp_path: Path) -> None:
    # The peer sees its user's environment, not what this program sets for its own libraries.
    peer = ["sh", "-c", 'test -z "$OMP_WAIT_POLICY" && exec "$@"', "peer"]
    peer += [sys.executable, "-m", "entrypoint", "--weights", "{weights}", "--source", "{source}"]
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    command = [sys.executable, "-m", "scripts.benchmark", "--count", "6", "--rounds", "1", "--growth"]
    command += ["--json", str(tmp_path / "figures.json"), "--engine", "torch"]
    command += ["--peer", shlex.join([*peer, "--project", "{project}", "--imgsz", "{imgsz}"])]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)
    assert ended.returncode == 0, ended.stderr
    figures = json.loads((tmp_path / "figures.json").read_bytes())
    assert set(figures) == {"machine", "stages", "whole", "scaling", "lock", "processes", "start", "growth", "peer"}
    assert list(figures["stages"]) == list(STAGES) and all(figures["stages"].values())
    assert figures["machine"]["engine"] == "torch" and figures["machine"]["images"] == 6
    whole = figures["whole"]
    assert whole["network alone"]["ratio"] == 1
    assert whole["whole job"]["core_ms"] > whole["job without network"]["core_ms"] > 0
    assert whole["whole job"]["core_ms"] > whole["whole job"]["core_ms_beside_network"] > 0
    for held in figures["lock"].values():
        assert 0 < held["ms"] < whole["job without network"]["core_ms"] and len(held["rounds"]) == 1
    assert set(figures["processes"]) == {"1", str(len(os.sched_getaffinity(0)))}
    for rates in figures["processes"].values():
        assert all(one["rate"] > 0 and len(one["rounds"]) == 1 for one in rates.values())
    assert figures["start"]["seconds"] >= figures["start"]["first_result"] > 0
    assert figures["growth"]["60"]["peak_mb"] > 100
    assert set(figures["peer"]) == {"6 images", "2 images"} and figures["peer"]["6 images"]["peer_seconds"] > 0
    assert "of the network alone" in ended.stdout and "pair by pair" in ended.stdout


def test_a_video_is_measured_with_its_parts(tmp_path: Path) -> None:
    video = moving(tmp_path / "a.mp4", 12)
    command = [sys.executable, "-m", "scripts.benchmark", "--video", str(video), "--rounds", "1", "--peer", "true"]
    command += ["--json", str(tmp_path / "figures.json")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert ended.returncode == 0, ended.stderr
    figures = json.loads((tmp_path / "figures.json").read_bytes())
    assert set(figures) == set(OF_VIDEOS)
    whole = figures["whole"]
    parts = whole["network alone"]["core_ms"], whole["decoding and encoding alone"]["core_ms"]
    assert whole["frames"] == 12 and min(parts) > 0 and figures["peer"]["a.mp4"]["peer_seconds"] > 0
    assert whole["work_of_both"] == pytest.approx(whole["whole job"]["core_ms"] / sum(parts))
    assert "of the slower part's time" in ended.stdout


def test_what_is_asked_for_alone_is_measured(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "scripts.benchmark", "--count", "1", "--rounds", "1", "--only", "growth"]
    command += ["--json", str(tmp_path / "figures.json")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert ended.returncode == 0, ended.stderr
    figures = json.loads((tmp_path / "figures.json").read_bytes())
    assert set(figures) == {"machine", "growth"} and set(figures["growth"]) == {"1", "10", "ms_each_further"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--only", "peer"], "--only peer: expected --peer COMMAND too"),
        (["--video", __file__, "--only", "whole", "--only", "peer"], "--only peer: expected --peer COMMAND too"),
        (["--video", __file__, "--only", "stages"], "--video: stages can be measured with images alone"),
        (["--video", __file__, "--growth"], "--video: growth can be measured with images alone"),
        (["--video", __file__, "--only", "growth", "--only", "lock"], "--video: lock, growth can be"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_measured_is_refused(options: list[str], said: str) -> None:
    ended = CliRunner().invoke(main, options)
    assert ended.exit_code == 2 and said in ended.output


def test_a_peer_that_fails_is_no_result() -> None:
    command = [sys.executable, "-m", "scripts.benchmark", "--count", "2", "--rounds", "1", "--peer", "false"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert ended.returncode != 0 and "false: exit" in ended.stderr


def test_a_meter_counts_the_network_alone() -> None:
    meter = Meter(OnnxEngine(load_checkpoint(DEMO_WEIGHTS).graph, threads=1))
    pixels = meter.upload([np.zeros((320, 320, 3), np.uint8)])
    with timed() as span:
        for _ in range(5):
            meter.run(pixels)
    assert span.cpu * 0.5 < meter.take() <= span.cpu
    assert meter.take() == 0


def test_what_is_replayed_is_what_was_computed() -> None:
    engine = TorchEngine(load_checkpoint(DEMO_WEIGHTS).graph, CPU)
    replay = Replay(engine)
    images = [np.random.default_rng(seed).integers(0, 256, (64, 96, 3), np.uint8) for seed in range(2)]
    for batch in ([images[0]], images, [images[1]]):
        for found, wanted in zip(replay.run(replay.upload(batch)), engine.run(engine.upload(batch)), strict=True):
            np.testing.assert_allclose(np.asarray(found), np.asarray(wanted), rtol=1e-4, atol=1e-4)
