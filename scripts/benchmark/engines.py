"""Engines for measuring the job around the network: one without the work, and one that meters it."""

import copy
import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from entrypoint.detect.detector import Detector
from entrypoint.engines.base import Engine, Images, Pixels
from entrypoint.models.network import Output


class Replay(Engine):
    """Computes nothing: it gives again what the real one gave, for each image it has seen; so it should see few."""

    name = "replay"

    def __init__(self, engine: Engine) -> None:
        self.device, self._engine = engine.device, engine
        self._known: dict[tuple[tuple[int, ...], bytes], list[NDArray[np.float32]]] = {}
        self._of_thread = threading.local()

    def upload(self, images: Images) -> Pixels:
        self._of_thread.keys = [(image.shape, image[::61, ::67].tobytes()) for image in images]
        return self._engine.upload(images)

    def run(self, pixels: Pixels) -> Sequence[Output]:
        for number, key in enumerate(self._of_thread.keys):
            if key not in self._known:
                alone = np.asarray(pixels)[number : number + 1]
                self._known[key] = [np.array(output) for output in self._engine.run(alone)]
        known = [self._known[key] for key in self._of_thread.keys]
        return known[0] if len(known) == 1 else [np.concatenate(levels) for levels in zip(*known, strict=True)]


class Meter(Engine):
    """Another engine, and the time that its network took of the threads that asked for it."""

    name = "meter"

    def __init__(self, engine: Engine) -> None:
        self.device, self._engine = engine.device, engine
        self._lock, self._seconds = threading.Lock(), 0.0

    def upload(self, images: Images) -> Pixels:
        return self._engine.upload(images)

    def run(self, pixels: Pixels) -> Sequence[Output]:
        began = time.thread_time()
        found = self._engine.run(pixels)
        with self._lock:
            self._seconds += time.thread_time() - began
        return found

    def take(self) -> float:
        """Milliseconds of a core since the last time."""
        with self._lock:
            taken, self._seconds = self._seconds, 0.0
        return taken * 1e3


E = TypeVar("E", bound=Engine)


def with_engine(lane: Detector, engine: Callable[[Engine], E]) -> tuple[Detector, E]:
    """A lane like this, with another engine around its own."""
    twin, around = copy.copy(lane), engine(lane.engine)
    twin.engine = around
    return twin, around
