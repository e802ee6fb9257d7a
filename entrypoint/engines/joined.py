"""Several engines on one device as one: each computes its graph for the same pixels."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from entrypoint.engines.base import Engine, Images, Pixels
from entrypoint.models.network import Output


class JoinedEngine(Engine):
    """Its outputs are those of its parts, one after another. What is said of a device is what the first part says."""

    def __init__(self, parts: Sequence[Engine]) -> None:
        self._parts = parts
        self.device = parts[0].device
        self.name = parts[0].name  # type: ignore[misc]

    def upload(self, images: Images) -> Pixels:
        return self._parts[0].upload(images)

    def run(self, pixels: Pixels) -> Sequence[Output]:
        return [output for part in self._parts for output in part.run(pixels)]

    def queue(self) -> AbstractContextManager[Any]:
        return self._parts[0].queue()

    def batch_size(self, try_one: Callable[[], object], most: int, batches: int) -> int:
        return self._parts[0].batch_size(try_one, most, batches)

    def set_threads(self, threads: int) -> None:
        for part in self._parts:
            part.set_threads(threads)

    def free_cache(self) -> None:
        for part in self._parts:
            part.free_cache()

    def held_by_others(self) -> str:
        return self._parts[0].held_by_others()
