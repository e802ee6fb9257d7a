"""What the checks have in common: the device, weights, images and references, and how much there is to do."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import click

from entrypoint.host.device import Device
from entrypoint.option import declared
from entrypoint.settings import Settings
from entrypoint.sources.medium import FileMedium, Medium
from entrypoint.sources.scan import scan
from scripts.benchmark.folders import copies


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
class Reference:
    """What detect.py found with some options: detections by image, in the form of the reference files."""

    name: str
    settings: Settings
    images: dict[str, Any]


@dataclass(frozen=True)
class Workplace:
    """`data` holds weights/, images/ and reference/."""

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
    def weights(self) -> Path:
        """The weights that most references are of, or the first ones there are."""
        if self.references:
            return Path(str(self.references[0].settings.weights))
        found = sorted((self.data / "weights").iterdir()) if (self.data / "weights").is_dir() else []
        if not found:
            raise click.UsageError(f"--data {self.data}: no weights in weights/")
        return found[0]

    @cached_property
    def references(self) -> list[Reference]:
        """What detect.py found; that with its default options first."""
        files = sorted((self.data / "reference").glob("*.json"), key=lambda path: (path.stem != "default", path.stem))
        return [_reference(path, self.data) for path in files[: self.amounts.references]]

    @property
    def settings(self) -> Settings:
        """Those that speed is measured with."""
        return Settings(imgsz=(self.amounts.side, self.amounts.side), device=str(self.device), report=False)

    def many(self, count: int) -> list[Medium]:
        """The images in turn, so many together, as links in a folder of their own."""
        folder = self.scratch / f"{count}-images"
        if not folder.exists():
            copies(folder, self.images, count)
        return list(scan(str(folder)))


def _reference(path: Path, data: Path) -> Reference:
    content = json.loads(path.read_bytes())
    known = {option.name: option for option in declared(Settings)}
    options = {name.replace("-", "_"): value for name, value in content["options"].items()}
    options["weights"] = str(data / "weights" / options["weights"])
    checked = {name: known[name].checked(value) for name, value in options.items()}
    return Reference(path.stem, Settings(**checked, report=False), content["images"])
