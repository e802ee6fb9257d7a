"""The device that is checked, the data it is checked with, and networks on it."""

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import click
import torch

from entrypoint.detect.detector import Detector
from entrypoint.detect.loading import Loaded, options_for
from entrypoint.engines.torch import TorchEngine
from entrypoint.host.device import Device
from entrypoint.models.network import Network
from entrypoint.option import declared
from entrypoint.settings import Settings
from entrypoint.sources.medium import FileMedium, Medium
from entrypoint.sources.scan import scan
from scripts.benchmark.folders import copies

LANES = 2


@dataclass(frozen=True)
class Amounts:
    """How much is measured. `side`: pixels of the images that speed is measured with. `seconds`: of each figure."""

    batches: tuple[int, ...]
    sizes: tuple[str, ...]
    side: int
    images: int
    seconds: float
    references: int


USUAL = Amounts((1, 8, 32, 64), ("n", "s", "m", "x"), 640, 2000, 0.7, 100)
QUICK = Amounts((1, 2), ("n",), 64, 8, 0.02, 1)


@dataclass(frozen=True)
class Precision:
    """A way to compute: `half` is FP16; `tf32` lets convolutions in FP32 round their inputs to ten bits."""

    name: str
    half: bool
    tf32: bool

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Set PyTorch so for the time of the block."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # newer releases prefer another name for the same
            before = torch.backends.cudnn.allow_tf32
            torch.backends.cudnn.allow_tf32 = self.tf32
            try:
                yield
            finally:
                torch.backends.cudnn.allow_tf32 = before


EXACT = Precision("FP32, TF32 off", half=False, tf32=False)
FULL = Precision("FP32 as PyTorch has it", half=False, tf32=True)
HALF = Precision("FP16", half=True, tf32=True)


@dataclass(frozen=True)
class Reference:
    """What detect.py found with some options: detections by image, in the form of the reference files."""

    settings: Settings
    images: dict[str, Any]


@dataclass(frozen=True)
class Place:
    """A device, and data for it: `data` holds weights/, images/ and reference/."""

    device: Device
    data: Path
    amounts: Amounts
    scratch: Path

    @cached_property
    def images(self) -> list[Path]:
        """The images, by name."""
        found = [Path(medium.path) for medium in scan(str(self.data / "images")) if isinstance(medium, FileMedium)]
        if not found:
            raise click.UsageError(f"--data {self.data}: no images in images/")
        return found

    @cached_property
    def references(self) -> list[Reference]:
        """What detect.py found; that with its default options first."""
        files = sorted((self.data / "reference").glob("*.json"), key=lambda path: (path.stem != "default", path.stem))
        if not files:
            raise click.UsageError(f"--data {self.data}: no reference in reference/")
        return [_reference(path, self.data) for path in files[: self.amounts.references]]

    @property
    def settings(self) -> Settings:
        """Those that speed is measured with."""
        return Settings(imgsz=(self.amounts.side, self.amounts.side), device=str(self.device), report=False)

    @property
    def machine(self) -> dict[str, Any]:
        """The machine, for whoever reads the report."""
        facts: dict[str, Any] = {
            "device": self.device.description,
            "torch": torch.__version__,
            "cuda": torch.version.cuda,
        }
        if self.device.on_gpu:
            properties = torch.cuda.get_device_properties(str(self.device))
            facts |= {"gpu_gb": properties.total_memory / 1e9, "capability": f"{properties.major}.{properties.minor}"}
        return facts

    def many(self, count: int) -> list[Medium]:
        """The images in turn, so many together, as links in a folder of their own."""
        folder = self.scratch / f"{count}-images"
        if not folder.exists():
            copies(folder, self.images, count)
        return list(scan(str(folder)))

    def loaded(self, network: Network, half: bool, settings: Settings, batch: int) -> Loaded:
        """A network on the device, as a job has it."""
        engine = TorchEngine(network.graph, replace(self.device, half=half))
        detector = Detector(engine, network, options_for(network, settings))
        return Loaded(network.names, (detector,) * LANES, batch, settings)

    def synchronise(self) -> None:
        """Wait for the device."""
        if self.device.on_gpu:
            torch.cuda.synchronize(str(self.device))

    def forget_peaks(self) -> None:
        """Count the most memory anew, with what was cached given back."""
        if self.device.on_gpu:
            self.synchronise()
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(str(self.device))

    def memory(self) -> dict[str, float]:
        """Return the most megabytes that this process took of the device; nothing on a CPU."""
        return {"gpu_mb": torch.cuda.max_memory_reserved(str(self.device)) / 1e6} if self.device.on_gpu else {}


def _reference(path: Path, data: Path) -> Reference:
    content = json.loads(path.read_bytes())
    known = {option.name: option for option in declared(Settings)}
    options = {name.replace("-", "_"): value for name, value in content["options"].items()}
    options["weights"] = str(data / "weights" / options["weights"])
    checked = {name: known[name].checked(value) for name, value in options.items()}
    return Reference(Settings(**checked, report=False), content["images"])
