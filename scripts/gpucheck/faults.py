"""What must not go wrong quietly: memory that runs out, an engine that computes something else."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import numpy as np
import torch
from numpy.typing import NDArray

from entrypoint.detect.detector import Detector
from entrypoint.detect.enginechoice import engine_fault
from entrypoint.engines.base import Engine, Pixels
from entrypoint.models.network import Network, Output
from entrypoint.values import Failure
from entrypoint.weights.find import find_weights
from entrypoint.weights.registry import load_network
from scripts.gpucheck.architecture import random_network
from scripts.gpucheck.place import FULL, computing, forget_peaks, loaded
from scripts.gpucheck.report import Report
from scripts.gpucheck.workplace import Workplace

SECTION = "faults"
_LEFT_BYTES = 48 << 20  # of the device's memory, beside what images of a small batch take


def check(place: Workplace, report: Report) -> None:
    """A row for each fault: whether it was noticed, and whether what followed was right."""
    report.section(SECTION, "Faults that are to be noticed")
    with computing(FULL):
        _memory_taken(place, report)
        weights = find_weights(str(place.weights), ())
        _wrong_answer(place, report, load_network(weights.path, weights.kind))


def _memory_taken(place: Workplace, report: Report) -> None:
    """A batch that does not fit is halved until it does, and gives what it gives with room for all of it."""
    batch, side = place.amounts.batches[-1], place.amounts.side
    detector = loaded(random_network("s"), place.device, FULL, place.settings, batch).lanes[0]
    images = list(np.random.default_rng(2).integers(0, 256, (batch, side, side, 3), np.uint8))
    expected = detector.look(images)
    counting = _Counting(detector.engine, None if place.device.on_gpu else max(1, batch // 2))
    detector.engine = counting
    forget_peaks(place.device)
    with _taken(place, detector, images):
        found = detector.look(images)
    same = sum(_alike(one, other) for one, other in zip(found, expected, strict=True))
    figures = {
        "memory": "really taken" if place.device.on_gpu else "played",
        "batch": batch,
        "smallest try": min(counting.sizes),
        "times out of memory": counting.outs,
        "images as before": same,
    }
    report.row(SECTION, "memory that runs out in a batch", figures, same == batch and counting.outs > 0)


@contextmanager
def _taken(place: Workplace, detector: Detector, images: Sequence[NDArray[np.uint8]]) -> Iterator[None]:
    """The device's memory all but what two images need, for the time of the block."""
    if not place.device.on_gpu:
        yield
        return
    where = torch.device(str(place.device))
    detector.look(images[:2])
    needed = torch.cuda.max_memory_allocated(where) - torch.cuda.memory_allocated(where)
    forget_peaks(place.device)
    held = []
    with suppress(torch.cuda.OutOfMemoryError):  # what is left is in pieces
        while (free := torch.cuda.mem_get_info(where)[0] - needed - _LEFT_BYTES) > 1 << 20:
            held.append(torch.empty(min(free, 8 << 30), dtype=torch.uint8, device=where))
    try:
        yield
    finally:
        held.clear()
        forget_peaks(place.device)


class _Counting(Engine):
    """Another engine, and the sizes of the batches that it was given. `most`: larger ones do not fit."""

    name = "counting"

    def __init__(self, engine: Engine, most: int | None) -> None:
        self.device, self._engine, self._most = engine.device, engine, most
        self.sizes: list[int] = []
        self.outs = 0
        self.queue = engine.queue  # type: ignore[method-assign]

    def upload(self, images: Sequence[NDArray[np.uint8]]) -> Pixels:
        self.sizes.append(len(images))
        return self._engine.upload(images)

    def run(self, pixels: Pixels) -> Sequence[Output]:
        if self._most is not None and self.sizes[-1] > self._most:
            raise MemoryError
        return self._engine.run(pixels)

    def free_cache(self) -> None:
        self.outs += 1
        self._engine.free_cache()


def _alike(found: NDArray[np.float32] | Failure, expected: NDArray[np.float32] | Failure) -> bool:
    """Whether as many candidates were found, but for those at the threshold: other batches round otherwise."""
    if isinstance(found, Failure) or isinstance(expected, Failure):
        return False
    return abs(len(found) - len(expected)) <= 2 + 0.02 * len(expected)


def _wrong_answer(place: Workplace, report: Report, network: Network) -> None:
    """The trial that an engine must pass: the honest one passes, one that is off by little in one map does not."""
    honest = loaded(network, place.device, FULL, place.settings, 1).lanes[0].engine
    for name, engine, is_right in (("right", honest, True), ("wrong", _Wrong(honest), False)):
        fault = engine_fault(engine, network)
        report.row(SECTION, f"an engine that is {name}", {"said": fault or "nothing"}, (fault is None) == is_right)


class _Wrong(Engine):
    """Another engine, one of whose outputs is mirrored."""

    name = "wrong"

    def __init__(self, engine: Engine) -> None:
        self.device, self._engine = engine.device, engine
        self.upload = engine.upload  # type: ignore[method-assign]

    def run(self, pixels: Pixels) -> list[NDArray[np.float32]]:
        first, *others = map(np.asarray, self._engine.run(pixels))
        return [np.ascontiguousarray(first[..., ::-1]), *others]
