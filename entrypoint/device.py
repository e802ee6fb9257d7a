"""The one seam between the program and a GPU: where tensors live, how pixels get there, when memory is out."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from entrypoint.errors import ResourceError

_NUMBER = re.compile("[0-9]{1,3}")


@dataclass(frozen=True, slots=True)
class Device:
    """Where the network runs, and in which precision."""

    torch_device: torch.device
    half: bool = False

    @property
    def on_gpu(self) -> bool:
        return self.torch_device.type == "cuda"

    @property
    def dtype(self) -> torch.dtype:
        return torch.float16 if self.half else torch.float32

    @property
    def description(self) -> str:
        name = torch.cuda.get_device_name(self.torch_device) if self.on_gpu else "CPU"
        return f"{self.torch_device} ({name}, {'FP16' if self.half else 'FP32'})"

    def place(self, network: nn.Module) -> None:
        """Move a network here, in this precision and in the memory layout convolutions like best.

        Raises ResourceError when it does not fit.
        """
        try:
            network.to(device=self.torch_device, dtype=self.dtype)
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        except RuntimeError as error:
            raise ResourceError(
                f"the network cannot be placed on {self.torch_device}: {str(error).splitlines()[0]}; free its memory, "
                "choose a smaller model, or run with --device cpu"
            ) from error

    def upload(self, images: Sequence[NDArray[np.uint8]]) -> Tensor:
        """HWC uint8 BGR images of one shape to (B, 3, H, W) RGB in [0, 1].

        Bytes cross the bus, from pinned memory; reordering and scaling happen on the device.
        """
        height, width, _ = images[0].shape
        staged = torch.empty((len(images), height, width, 3), dtype=torch.uint8, pin_memory=self.on_gpu)
        np.stack(images, out=staged.numpy())
        pixels = staged.to(self.torch_device, non_blocking=True)
        return pixels.flip(3).permute(0, 3, 1, 2).to(self.dtype).div_(255)


def choose_device(wanted: str, half: bool) -> Device:
    """The device for `--device`: '' for a GPU where there is one, 'cpu', or a GPU's number.

    Half precision is for GPUs; on a CPU it is ignored, as detect.py does. Raises ResourceError when a GPU is asked
    for and there is none, or not that one.
    """
    name = wanted.strip().lower().removeprefix("cuda:")
    if name == "cpu" or (not name and not torch.cuda.is_available()):
        return Device(torch.device("cpu"))
    number = int(name) if _NUMBER.fullmatch(name) else 0
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if (name and not _NUMBER.fullmatch(name) and name != "cuda") or number >= count:
        seen = f"{count} CUDA device{'s' * (count != 1)}"
        raise ResourceError(
            f"--device {wanted}: found {seen} here; expected 'cpu' or a number below that count. Run the container "
            "with `--gpus all` (Docker) or `--gpu 1` (Bacalhau), or leave --device out to take what there is."
        )
    return Device(torch.device("cuda", number), half)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an allocation on the device or in the host failed, and a smaller batch may pass."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or (
        isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    )
