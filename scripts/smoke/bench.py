"""What every check works with: an image under test, a way to run it, and comparisons that say what they saw."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from entrypoint.sources.samples import DEMO_SCENES, DEMO_WEIGHTS


@dataclass
class Bench:
    """An image under test and a folder for what the checks need."""

    image: str
    root: Path
    names: int = 0
    failed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        data = os.environ.get("YOLO_BAC_TEST_DATA")
        weights = Path(data) / "weights" / "yolov5n-coco.pt" if data else DEMO_WEIGHTS
        self.images = Path(data) / "images" if data else DEMO_SCENES
        self.inputs = self.folder("inputs")
        shutil.copy(weights, self.inputs / "76813c2d-b52b-47af-95fb-e92c1b0b2783")

    def folder(self, name: str) -> Path:
        """A new folder that any user may write to."""
        self.names += 1
        path = self.root / f"{self.names}-{name}"
        path.mkdir()
        path.chmod(0o777)
        return path

    def run(self, *arguments: str, options: tuple[str, ...] | list[str] = (), **mounts: Path | str) -> Any:
        """`docker run` with `/inputs`, `/datasets`, `/outputs` mounted as given; a mount may end in `:ro`."""
        binds = [word for name, path in mounts.items() for word in ("-v", self._bind(name, str(path)))]
        command = ["docker", "run", "--rm", "--network", "none", *options, *binds, self.image, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def _bind(self, name: str, path: str) -> str:
        path, _, mode = path.partition(":")
        return f"{path}:/{name}" + (f":{mode}" if mode else "")


def records(run: Path) -> Any:
    """All records of a run, without where they come from."""
    return json.loads((run / "predictions.json").read_bytes())["images"]


def expect(what: object, wanted: object, ended: Any = None) -> None:
    """Fail the check unless both are equal."""
    if what != wanted:
        raise AssertionError(f"got {what!r:.300}, wanted {wanted!r:.300}\n{ended.stderr if ended else ''}")


def close(ours: Any, theirs: Any) -> None:
    """Fail the check unless the records are equal but for rounding."""
    expect([r["file"] for r in ours], [r["file"] for r in theirs])
    for a, b in zip(ours, theirs, strict=True):
        expect(len(a["detections"]), len(b["detections"]))
        for one, other in zip(a["detections"], b["detections"], strict=True):
            expect(one["name"], other["name"])
            sides = zip(one["box"].values(), other["box"].values(), strict=True)
            expect(max(abs(x - y) for x, y in sides) < 0.01, True)
