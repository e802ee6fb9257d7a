"""Where a network runs: which GPU is trusted, and the CPU where there is none."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2

from entrypoint.errors import ResourceError
from entrypoint.host.cuda import Gpu, NoGpuError, gpus
from entrypoint.log import LOG

OUT_OF_MEMORY_ERRORS = (MemoryError, RuntimeError, cv2.error)
"""What may say that memory is out; `memory.is_out_of_memory` tells whether it does."""

_NUMBER = re.compile("[0-9]{1,3}")
# NVIDIA's, AMD's, and what any graphics card that can render has.
_GPU_SIGNS = tuple(map(Path, ("/dev/nvidiactl", "/dev/kfd", "/dev/dri/renderD128")))


@dataclass(frozen=True, slots=True)
class Device:
    """A GPU by its number, or the CPU; and the precision there."""

    number: int | None = None
    gpu: Gpu | None = None
    half: bool = False

    @property
    def on_gpu(self) -> bool:
        return self.number is not None

    def __str__(self) -> str:
        return "cpu" if self.number is None else f"cuda:{self.number}"

    @property
    def description(self) -> str:
        name = self.gpu.name if self.gpu else "CPU"
        return f"{self} ({name}, {'FP16' if self.half else 'FP32'})"


CPU = Device()
Fault = Callable[[Device], str | None]


def choose_devices(wanted: str, half: bool, fault_of: Fault) -> list[Device]:
    """The devices for `--device`: '' for all GPUs that work, where there are any, 'cpu', or GPUs by number: '0,1'.

    Half precision is for GPUs; on a CPU it is ignored, as detect.py does. A GPU is tried before it is trusted. One that
    was not asked for by number and fails is left out, with a warning; without any, the CPU it is. Raises ResourceError
    when a GPU is asked for and there is none, or not that one, or it does not compute. `fault_of` tells what is wrong
    with a GPU.
    """
    name = wanted.strip().lower()
    if name == "cpu":
        return [CPU]
    try:
        found, why_none = [Device(number, gpu, half) for number, gpu in enumerate(gpus())], ""
    except NoGpuError as error:
        found, why_none = [], str(error)
    if not name:
        faults = {device: fault_of(device) for device in found}
        working = [device for device, fault in faults.items() if not fault]
        fallback = "the other GPUs run without it" if working else "running on the CPU instead, many times slower"
        for why in filter(None, faults.values()):
            LOG.warning("%s; %s", why, fallback)
        if not found:
            _say_why_not(why_none)
        return working or [CPU]
    numbers = _numbers(name, len(found))
    if numbers is None:
        seen = f"{len(found)} CUDA device{'s' * (len(found) != 1)}"
        raise ResourceError(
            f"--device {wanted}: found {seen} here; expected 'cpu', or numbers below that count, once each: 0 or 0,1. "
            "Run the container with `--gpus all` (Docker) or `--gpu 1` (Bacalhau), or leave --device out to take what "
            "there is."
        )
    devices = [found[number] for number in numbers]
    for device in devices:
        if fault := fault_of(device):
            raise ResourceError(f"--device {wanted}: {fault}; use another GPU, or --device cpu")
    return devices


def _numbers(name: str, count: int) -> list[int] | None:
    """The GPUs that '0', 'cuda:0', '0,1' or 'cuda' name; None when it is not that, or they are not all there."""
    words = [word.strip().removeprefix("cuda:") for word in ("0" if name == "cuda" else name).split(",")]
    if not all(map(_NUMBER.fullmatch, words)):
        return None
    numbers = list(map(int, words))
    return numbers if len(set(numbers)) == len(numbers) and max(numbers) < count else None


def _say_why_not(why: str) -> None:
    """Log why a run is on the CPU: a GPU that is in sight but of no use is worth a warning."""
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
