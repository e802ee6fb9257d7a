"""An engine that computes nothing: it gives again what the real one gave, so that what is left is the job around it."""

import copy
import threading
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from entrypoint.detector import Detector
from entrypoint.engines.base import Engine


class Replay(Engine):
    """Remembers the maps of each image it has seen; so it should see few, again and again."""

    name = "replay"

    def __init__(self, engine: Engine) -> None:
        self.device, self._engine = engine.device, engine
        self._known: dict[tuple[tuple[int, ...], bytes], list[Tensor]] = {}
        self._of_thread = threading.local()

    def upload(self, images: Sequence[NDArray[np.uint8]]) -> Tensor:
        self._of_thread.keys = [(image.shape, image[::61, ::67].tobytes()) for image in images]
        return self._engine.upload(images)

    def maps(self, pixels: Tensor) -> list[Tensor]:
        for number, key in enumerate(self._of_thread.keys):
            if key not in self._known:
                self._known[key] = [level.clone() for level in self._engine.maps(pixels[number : number + 1])]
        known = [self._known[key] for key in self._of_thread.keys]
        return known[0] if len(known) == 1 else [torch.cat(levels) for levels in zip(*known, strict=True)]


def replaying(lanes: tuple[Detector, ...], count: int) -> tuple[Detector, ...]:
    """So many lanes like these that do not compute."""
    twin = copy.copy(lanes[0])
    twin.engine = Replay(lanes[0].engine)
    return (twin,) * count
