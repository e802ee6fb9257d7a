"""The pipeline over several lanes: replicas share the work, and what they leave is what one alone leaves."""

import os
import threading
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from entrypoint.detect.detector import Detector, DetectorOptions
from entrypoint.engines.torch import TorchEngine
from entrypoint.errors import OutputError
from entrypoint.host.device import Device
from entrypoint.results.claim import claim
from entrypoint.results.results import Results
from entrypoint.results.timings import Timings
from entrypoint.run.deadline import Deadline
from entrypoint.run.pipeline import Pipeline
from entrypoint.settings import Settings
from entrypoint.sources.decode import read_ahead
from entrypoint.sources.samples import DEMO_SCENES, DEMO_WEIGHTS
from entrypoint.sources.scan import Medium, scan
from entrypoint.values import Record
from entrypoint.weights.classic.checkpoint import load_checkpoint


class Counted(TorchEngine):
    """Counts its batches, and how many engines are at work at once."""

    working, most, gate = 0, 0, threading.Lock()

    def __init__(self) -> None:
        network = load_checkpoint(DEMO_WEIGHTS).network
        super().__init__(network, Device(torch.device("cpu")))
        self.batches = 0

    def upload(self, images: Sequence[NDArray[np.uint8]]) -> Tensor:
        with Counted.gate:
            self.batches += 1
            Counted.working += 1
            Counted.most = max(Counted.most, Counted.working)
        return super().upload(images)

    def maps(self, pixels: Tensor) -> list[Tensor]:
        found = super().maps(pixels)
        with Counted.gate:
            Counted.working -= 1
        return found


def replicas(count: int) -> list[Detector]:
    Counted.most = 0
    engines = [Counted() for _ in range(count)]
    return [Detector(engine, engine.network, DetectorOptions((320, 320))) for engine in engines]


@pytest.fixture
def media(tmp_path: Path) -> list[Medium]:
    """The demo's scenes ten times, and a file that is no image."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(10):
        for scene in DEMO_SCENES.iterdir():
            (folder / f"{number}-{scene.name}").symlink_to(scene)
    (folder / "broken.png").write_bytes(b"no image")
    return scan(str(folder)).media


def run(lanes: list[Detector], media: list[Medium], project: Path, batch_size: int, **options: Any) -> list[Record]:
    names = ("circle", "square", "triangle")
    heard: list[Record] = []
    with closing(claim(project, "exp", {})) as folder:
        pipeline = Pipeline(
            lanes,
            options.pop("results", Results)(folder, Settings(), names, [medium.file for medium in media]),
            names,
            batch_size=batch_size,
            threads=2,
            waiting_bytes=4 << 20,
            deadline=Deadline(None, 0, 0),
            timings=Timings(),
        )
        pipeline.run(media, heard.append)
    return sorted(heard, key=lambda record: record.file)


@pytest.mark.parametrize("batch_size", [1, 4])
def test_two_replicas_share_the_work_and_leave_the_same(media: list[Medium], tmp_path: Path, batch_size: int) -> None:
    alone = run(replicas(1), media, tmp_path / "alone", batch_size)
    both = replicas(2)
    together = run(both, media, tmp_path / "together", batch_size)
    assert together == alone and len(alone) == len(media)
    assert sum(record.failure is not None for record in alone) == 1
    batches = [detector.engine.batches for detector in both if isinstance(detector.engine, Counted)]
    assert min(batches) > 1 and Counted.most == 2
    files = [
        {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*.png")}
        for name in ("alone", "together")
    ]
    assert files[0] == files[1] and len(files[0]) == len(media) - 1


class Full(Results):
    """For which the disk is full from the fifth image on."""

    calls = 0

    def frame(self, shown: object) -> None:
        Full.calls += 1
        if Full.calls >= 5:
            raise OutputError("no space left")


@pytest.mark.parametrize("batch_size", [1, 4])
def test_an_output_error_ends_the_run_soon(media: list[Medium], tmp_path: Path, batch_size: int) -> None:
    Full.calls = 0
    with pytest.raises(OutputError, match="no space left"):
        run(replicas(2), media * 20, tmp_path, batch_size, results=Full)
    assert Full.calls < 60
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(("process", "detect", "write"))]


def test_reading_ahead_waits_for_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_bytes(b"x")
    for name in ("pipe", "file", "missing", "."):
        read_ahead(tmp_path / name)
