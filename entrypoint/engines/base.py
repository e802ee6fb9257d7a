"""What an engine offers."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from entrypoint.host.device import Device


class Engine(ABC):
    """Computes one network on one device. Several threads may use it at once."""

    name: ClassVar[str]
    device: Device

    @abstractmethod
    def upload(self, images: Sequence[NDArray[np.uint8]]) -> Tensor:
        """HWC uint8 BGR images of one shape to (B, 3, H, W) RGB in [0, 1], where and how the network wants them."""

    @abstractmethod
    def maps(self, pixels: Tensor) -> list[Tensor]:
        """What `model.network.Network` gives for these pixels."""
