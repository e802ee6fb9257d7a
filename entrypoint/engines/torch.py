"""PyTorch, operation by operation."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from entrypoint.engines.base import Engine
from entrypoint.host.device import Device
from entrypoint.models.yolov5.network import Network


class TorchEngine(Engine):
    """A network moved to a device. Raises ResourceError when it does not fit there."""

    name = "torch"

    def __init__(self, network: Network, device: Device) -> None:
        self.device, self.network = device, network
        device.place(network)

    def upload(self, images: Sequence[NDArray[np.uint8]]) -> Tensor:
        return self.device.upload(images, torch.channels_last)

    def maps(self, pixels: Tensor) -> list[Tensor]:
        torch.get_num_threads()  # on a new thread, oneDNN hears of the number set only from this
        return self.network(pixels)  # type: ignore[no-any-return]
