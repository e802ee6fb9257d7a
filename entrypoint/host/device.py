"""The one seam between the program and a GPU: where tensors live, how pixels get there, when memory is out."""

import re
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from entrypoint.errors import ResourceError
from entrypoint.host import memory
from entrypoint.log import LOG

OUT_OF_MEMORY_ERRORS = (MemoryError, RuntimeError, cv2.error)
"""What may say that memory is out; `is_out_of_memory` tells whether it does."""

_SHARE_OF_FREE_MEMORY = 0.8
_WHITE = np.float32(255)
_of_thread = threading.local()
_NUMBER = re.compile("[0-9]{1,3}")
# NVIDIA's, AMD's, and what any graphics card that can render has.
_GPU_SIGNS = tuple(map(Path, ("/dev/nvidiactl", "/dev/kfd", "/dev/dri/renderD128")))


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
            if self.on_gpu:
                torch.cuda.synchronize(self.torch_device)  # other streams do not wait for this one
        except RuntimeError as error:
            if not self.on_gpu:
                raise
            raise ResourceError(
                f"the network cannot be placed on {self.torch_device}: {str(error).splitlines()[0]}; free its memory, "
                "choose a smaller model, or run with --device cpu"
            ) from error

    def batch_size(self, try_one: Callable[[], object], most: int, batches: int) -> int:
        """Images that fit together into this GPU's free memory, judged by one, in so many batches; at most `most`.

        Memory on a CPU is the host's, and `entrypoint.host.memory` guards it.
        """
        if not self.on_gpu:
            return most
        torch.cuda.reset_peak_memory_stats(self.torch_device)
        before = torch.cuda.memory_allocated(self.torch_device)
        try_one()
        each = max(1, torch.cuda.max_memory_allocated(self.torch_device) - before)
        cached = torch.cuda.memory_reserved(self.torch_device) - torch.cuda.memory_allocated(self.torch_device)
        free = torch.cuda.mem_get_info(self.torch_device)[0] + cached
        return max(1, min(most, int(free * _SHARE_OF_FREE_MEMORY) // (each * batches)))

    def upload(self, images: Sequence[NDArray[np.uint8]], layout: torch.memory_format) -> Tensor:
        """HWC uint8 BGR images of one shape to (B, 3, H, W) RGB in [0, 1]; on a CPU in that memory layout.

        To a GPU bytes cross the bus, from pinned memory; reordering and scaling happen there.
        """
        height, width, _ = images[0].shape
        if not self.on_gpu:
            scale = _scale_pixels if layout is torch.channels_last else _scale_planes
            return torch.from_numpy(scale(images, height, width)).to(self.dtype)
        staged = torch.empty((len(images), height, width, 3), dtype=torch.uint8, pin_memory=True)
        np.stack(images, out=staged.numpy())
        pixels = staged.to(self.torch_device, non_blocking=True)
        return pixels.flip(3).permute(0, 3, 1, 2).to(self.dtype).div_(255)

    @contextmanager
    def queue(self) -> Iterator[None]:
        """For what a thread asks of a GPU: on a stream of its own, it overlaps with what others ask."""
        if not self.on_gpu:
            yield
            return
        streams: dict[torch.device, torch.cuda.Stream] = _of_thread.__dict__.setdefault("streams", {})
        if self.torch_device not in streams:
            streams[self.torch_device] = torch.cuda.Stream(self.torch_device)  # type: ignore[no-untyped-call]
        with torch.cuda.stream(streams[self.torch_device]):
            yield


def _scale_planes(images: Sequence[NDArray[np.uint8]], height: int, width: int) -> NDArray[np.float32]:
    """HWC uint8 BGR to (B, 3, H, W) RGB in [0, 1], a plane a channel."""
    pixels = np.empty((len(images), 3, height, width), np.float32)
    for image, planes in zip(images, pixels, strict=True):
        for blue_first, plane in zip(cv2.split(image), planes[::-1], strict=True):
            np.divide(blue_first, _WHITE, out=plane)
    return pixels


def _scale_pixels(images: Sequence[NDArray[np.uint8]], height: int, width: int) -> NDArray[np.float32]:
    """The same, a pixel's channels side by side in memory."""
    pixels = np.empty((len(images), height, width, 3), np.float32)
    for image, target in zip(images, pixels, strict=True):
        np.divide(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), _WHITE, out=target)
    return pixels.transpose(0, 3, 1, 2)


def choose_devices(wanted: str, half: bool) -> list[Device]:
    """The devices for `--device`: '' for all GPUs that work, where there are any, 'cpu', or GPUs by number: '0,1'.

    Half precision is for GPUs; on a CPU it is ignored, as detect.py does. A GPU is tried before it is trusted. One that
    was not asked for by number and fails is left out, with a warning; without any, the CPU it is. Raises ResourceError
    when a GPU is asked for and there is none, or not that one, or it does not compute.
    """
    name = wanted.strip().lower()
    cpu = Device(torch.device("cpu"))
    if name == "cpu":
        return [cpu]
    count = _count_gpus()
    if not name:
        faults = {device: _fault(device) for device in (_gpu(number, half) for number in range(count))}
        working = [device for device, fault in faults.items() if not fault]
        fallback = "the other GPUs run without it" if working else "running on the CPU instead, many times slower"
        for why in filter(None, faults.values()):
            LOG.warning("%s; %s", why, fallback)
        if not count:
            _say_why_not()
        return working or [cpu]
    numbers = _numbers(name, count)
    if numbers is None:
        seen = f"{count} CUDA device{'s' * (count != 1)}"
        raise ResourceError(
            f"--device {wanted}: found {seen} here; expected 'cpu', or numbers below that count, once each: 0 or 0,1. "
            "Run the container with `--gpus all` (Docker) or `--gpu 1` (Bacalhau), or leave --device out to take what "
            "there is."
        )
    devices = [_gpu(number, half) for number in numbers]
    for device in devices:
        if fault := _fault(device):
            raise ResourceError(f"--device {wanted}: {fault}; use another GPU, or --device cpu")
    return devices


def _gpu(number: int, half: bool) -> Device:
    return Device(torch.device("cuda", number), half)


def _numbers(name: str, count: int) -> list[int] | None:
    """The GPUs that '0', 'cuda:0', '0,1' or 'cuda' name; None when it is not that, or they are not all there."""
    words = [word.strip().removeprefix("cuda:") for word in ("0" if name == "cuda" else name).split(",")]
    if not all(map(_NUMBER.fullmatch, words)):
        return None
    numbers = list(map(int, words))
    return numbers if len(set(numbers)) == len(numbers) and max(numbers) < count else None


def _fault(device: Device) -> str | None:
    try:
        return _arch_fault(device.torch_device) or convolution_fault(device)
    except RuntimeError as error:
        return f"{device.torch_device} does not compute: {str(error).splitlines()[0]}"


def convolution_fault(device: Device) -> str | None:
    """What is wrong with a small convolution on a device, compared with the CPU's; None when it is right.

    Raises RuntimeError when the device cannot do it at all.
    """
    pixels = torch.linspace(-1, 1, 3 * 8 * 8).reshape(1, 3, 8, 8)
    weight = torch.linspace(-1, 1, 4 * 3 * 3 * 3).reshape(4, 3, 3, 3)
    there = device.torch_device, device.dtype
    ours = nn.functional.conv2d(pixels.to(*there), weight.to(*there), padding=1)
    wrong = (ours.cpu().float() - nn.functional.conv2d(pixels, weight, padding=1)).abs().max().item()
    if wrong < 0.05:  # of sums up to 9; half precision is good to 0.01
        return None
    return f"{device.torch_device} computes wrongly: a convolution is off by {wrong:.3g}"


def _arch_fault(device: torch.device) -> str | None:
    """Whether this PyTorch has code for that GPU: sm_XY runs within a major version, compute_XY on all later ones."""
    have = torch.cuda.get_device_capability(device)
    built = torch.cuda.get_arch_list()
    for arch in built:
        kind, _, digits = arch.partition("_")
        number = re.match("[0-9]+", digits)
        if number is None:
            continue
        code = divmod(int(number[0]), 10)
        if (kind == "compute" and code <= have) or (kind == "sm" and code[0] == have[0] and code[1] <= have[1]):
            return None
    name = torch.cuda.get_device_name(device)
    return f"{name} has compute capability {have[0]}.{have[1]}, and this PyTorch is built for {', '.join(built)}"


def _count_gpus() -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a driver that is too old: _say_why_not says so
        return torch.cuda.device_count() if torch.cuda.is_available() else 0


def _say_why_not() -> None:
    """Log why a run is on the CPU: a GPU that is in sight but of no use is worth a warning."""
    try:
        torch.cuda.init()  # type: ignore[no-untyped-call]
        why = "no CUDA device"
    except (RuntimeError, AssertionError) as error:  # AssertionError: a PyTorch without CUDA
        why = str(error).splitlines()[0]
    in_sight = [str(path) for path in _GPU_SIGNS if path.exists()]
    if in_sight:
        LOG.warning(
            "a GPU is in sight (%s), but CUDA does not see one: %s. Running on the CPU, many times slower; NVIDIA GPUs "
            "alone can be used, with a driver recent enough",
            ", ".join(in_sight),
            why,
        )
    else:
        LOG.info("no GPU here: running on the CPU")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an allocation on the device or in the host failed, and a smaller batch may pass."""
    return isinstance(error, torch.OutOfMemoryError) or memory.is_said(error)
