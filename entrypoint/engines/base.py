"""What an engine offers, and the trial that it must pass."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from entrypoint.host.device import Device
from entrypoint.models.graph import Graph
from entrypoint.models.network import OnDevice, Output

Images: TypeAlias = Sequence[NDArray[np.uint8]]
"""HWC BGR, all of one shape."""
Pixels: TypeAlias = NDArray[np.float32] | OnDevice
"""(B, 3, H, W) RGB in [0, 1]."""
_WHITE = np.float32(255)


class Engine(ABC):
    """Computes one graph on one device. Several threads may use it at once."""

    name: ClassVar[str]
    device: Device

    def upload(self, images: Images) -> Pixels:
        """Images to pixels, where and how the graph wants them."""
        return planes(images)

    @abstractmethod
    def run(self, pixels: Pixels) -> Sequence[Output]:
        """The outputs of the graph, float32 or as the device has them."""

    def queue(self) -> AbstractContextManager[Any]:
        """For what a thread asks of a GPU: on a stream of its own, it overlaps with what others ask."""
        return nullcontext()

    def batch_size(self, try_one: Callable[[], object], most: int, batches: int) -> int:
        """Images that fit together into this device's free memory, judged by one, in so many batches; at most `most`.

        Memory on a CPU is the host's, and `entrypoint.host.memory` guards it.
        """
        return most

    def set_threads(self, threads: int) -> None:  # noqa: B027 - most engines cannot
        """Let so many threads share one image's work, where that can still be changed."""

    def free_cache(self) -> None:  # noqa: B027 - nor do they hold any
        """Give memory back that nothing is held in."""

    def held_by_others(self) -> str:
        """Return the share of this device's memory that other processes hold, for a message; '' for next to none."""
        return ""


def planes(images: Images) -> NDArray[np.float32]:
    """A plane a channel."""
    height, width, _ = images[0].shape
    pixels = np.empty((len(images), 3, height, width), np.float32)
    for image, target in zip(images, pixels, strict=True):
        for blue_first, plane in zip(cv2.split(image), target[::-1], strict=True):
            np.divide(blue_first, _WHITE, out=plane)
    return pixels


def interleaved(images: Images) -> NDArray[np.float32]:
    """The same, a pixel's channels side by side in memory."""
    height, width, _ = images[0].shape
    pixels = np.empty((len(images), height, width, 3), np.float32)
    for image, target in zip(images, pixels, strict=True):
        np.divide(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), _WHITE, out=target)
    return pixels.transpose(0, 3, 1, 2)


def trial_image(graph: Graph, stride: int, sides_in_strides: tuple[int, int] = (2, 3)) -> NDArray[np.uint8]:
    """A small image that the graph takes, HWC BGR: all shades in a row."""
    high, wide = sides_in_strides
    ((_, _, height, width),) = graph.inputs.values()
    sides = height if isinstance(height, int) else high * stride, width if isinstance(width, int) else wide * stride
    return np.linspace(0, 255, sides[0] * sides[1] * 3).astype(np.uint8).reshape(*sides, 3)


def disagreement(ours: Sequence[Output], theirs: Sequence[Output], most: float) -> str | None:
    """How two engines' outputs for the same image differ, by more than `most`; None when they do not."""
    for mine, other in zip(map(np.asarray, ours), map(np.asarray, theirs), strict=True):
        if mine.shape != other.shape or not np.allclose(mine, other, rtol=1e-5, atol=most, equal_nan=True):
            return "it computes something else"
    return None
