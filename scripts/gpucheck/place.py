"""The device that is looked at: networks on it, its precision, its memory, how busy it is."""

import subprocess
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from entrypoint.detect.detector import Detector
from entrypoint.detect.loading import Loaded, options_for
from entrypoint.engines.torch import TorchEngine
from entrypoint.host.device import Device
from entrypoint.models.network import Network
from entrypoint.settings import Settings

LANES = 2


@dataclass(frozen=True)
class Precision:
    """A way to compute: `half` is FP16; `tf32` lets convolutions in FP32 round their inputs to ten bits."""

    name: str
    half: bool
    tf32: bool


PRECISIONS = (
    Precision("FP32, TF32 off", half=False, tf32=False),
    Precision("FP32 as PyTorch has it", half=False, tf32=True),
    Precision("FP16", half=True, tf32=True),
)
FULL, HALF = PRECISIONS[1:]


@contextmanager
def computing(precision: Precision) -> Iterator[None]:
    """PyTorch set so for the time of the block."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer releases prefer another name for the same
        before = torch.backends.cudnn.allow_tf32
        torch.backends.cudnn.allow_tf32 = precision.tf32
        try:
            yield
        finally:
            torch.backends.cudnn.allow_tf32 = before


def loaded(
    network: Network,
    device: Device,
    precision: Precision,
    settings: Settings,
    batch: int,
    lanes: int = LANES,
    *,
    plain: bool = False,
) -> Loaded:
    """A network on the device, as a job has it; or `plain`, without any shortcut."""
    engine = TorchEngine(network.graph, replace(device, half=precision.half))
    if plain:
        engine.leave_shortcuts_out()
    detector = Detector(engine, network, options_for(network, settings))
    return Loaded(network.names, (detector,) * lanes, batch)


def forget_peaks(device: Device) -> None:
    """Count the most memory anew, with what was cached given back."""
    if device.on_gpu:
        torch.cuda.synchronize(str(device))
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(str(device))


def memory(device: Device) -> dict[str, float]:
    """Megabytes: the most that this process took of the device, and of the host."""
    found = {}
    if device.on_gpu:
        found = {
            "gpu_mb": torch.cuda.max_memory_allocated(str(device)) / 1e6,
            "gpu_reserved_mb": torch.cuda.max_memory_reserved(str(device)) / 1e6,
        }
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            found["host_mb"] = int(line.split()[1]) / 1e3
    return found


def described(device: Device) -> dict[str, Any]:
    """The machine, for whoever reads the report."""
    facts: dict[str, Any] = {"device": device.description, "torch": torch.__version__, "cuda": torch.version.cuda}
    if device.on_gpu:
        properties = torch.cuda.get_device_properties(str(device))
        facts |= {"gpu_gb": properties.total_memory / 1e9, "capability": f"{properties.major}.{properties.minor}"}
        facts["cudnn"] = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
    return facts


class Busy:
    """How busy the GPU was during a block, by nvidia-smi, in percent; None without that."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self.share: float | None = None

    @contextmanager
    def watched(self) -> Iterator[None]:
        """For the time of the block."""
        sampler = self._started()
        try:
            yield
        finally:
            if sampler:
                sampler.terminate()
                said, _ = sampler.communicate()
                samples = [float(word) for word in said.split() if word.replace(".", "", 1).isdigit()]
                inner = samples[1:-1] or samples
                self.share = sum(inner) / len(inner) if inner else None

    def _started(self) -> "subprocess.Popen[str] | None":
        if not self._device.on_gpu:
            return None
        which = str(getattr(torch.cuda.get_device_properties(str(self._device)), "uuid", self._device.number))
        which = which if which.isdigit() else f"GPU-{which.removeprefix('GPU-')}"
        command = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "-lms", "100"]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
        with suppress(OSError):
            return subprocess.Popen([*command, "-i", which], **pipes)
        return None
