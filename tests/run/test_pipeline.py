"""The pipeline over several lanes: replicas share the work, and what they leave is what one alone leaves."""

import os
import threading
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from entrypoint.detect.detector import Detector, DetectorOptions
from entrypoint.engines.base import Pixels
from entrypoint.engines.torch import TorchEngine
from entrypoint.errors import OutputError
from entrypoint.host.device import CPU
from entrypoint.models.network import Output
from entrypoint.results.claim import claim
from entrypoint.results.formats.base import AnnotatedFrame
from entrypoint.results.results import Results
from entrypoint.results.timings import Timings
from entrypoint.run.deadline import Deadline
from entrypoint.run.pipeline import Pipeline
from entrypoint.settings import Settings
from entrypoint.sources.kinds.still import Still
from entrypoint.sources.medium import Medium, ReadOptions
from entrypoint.sources.samples import DEMO_SCENES, DEMO_WEIGHTS
from entrypoint.sources.scan import scan
from entrypoint.values import Record
from entrypoint.weights.checkpoint import load_checkpoint


class Counted(TorchEngine):
    """Counts its batches, and how many engines are at work at once."""

    working, most, gate = 0, 0, threading.Lock()

    def __init__(self) -> None:
        self.network = load_checkpoint(DEMO_WEIGHTS)
        super().__init__(self.network.graph, CPU)
        self.batches = 0

    def upload(self, images: Sequence[NDArray[np.uint8]]) -> Pixels:
        with Counted.gate:
            self.batches += 1
            Counted.working += 1
            Counted.most = max(Counted.most, Counted.working)
        return super().upload(images)

    def run(self, pixels: Pixels) -> Sequence[Output]:
        found = super().run(pixels)
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
    return list(scan(str(folder)))


def run(
    lanes: list[Detector], media: list[Medium], project: Path, batch_size: int, results: type[Results] = Results
) -> list[Record]:
    names = ("circle", "square", "triangle")
    heard: list[Record] = []
    with closing(claim(project, "exp", {})) as folder:
        pipeline = Pipeline(
            lanes,
            results(folder, Settings(), names, [medium.file for medium in media]),
            names,
            batch_size=batch_size,
            threads=2,
            waiting_bytes=4 << 20,
            deadline=Deadline(None, 0, 0),
            timings=Timings(),
        )
        pipeline.run(media, lambda _, record: heard.append(record))
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

    def frame(self, shown: AnnotatedFrame) -> None:
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
        Still(0, name, str(tmp_path / name), ReadOptions()).read_ahead()
