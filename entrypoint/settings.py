"""Everything a run was asked for, built and checked once at the command line."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from entrypoint.shard import Shard

INPUTS = Path("/inputs")
DATASETS = Path("/datasets")
OUTPUTS = Path("/outputs")
BAKED_WEIGHTS = Path("/opt/yolo-bac/weights")

Engine = Literal["auto", "torch", "onnx"]
ENGINES: tuple[Engine, ...] = get_args(Engine)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The options of `yolo-bac`; `entrypoint.cli.command` says what each means. `imgsz` is (height, width)."""

    weights: str | None = None
    source: str | None = None
    imgsz: tuple[int, int] = (640, 640)
    conf_thres: float = 0.25
    iou_thres: float = 0.45
    max_det: int = 1000
    device: str = ""
    half: bool = False
    engine: Engine = "auto"
    batch_size: int | None = None
    classes: tuple[str, ...] | None = None
    agnostic_nms: bool = False
    augment: bool = False
    save_txt: bool = False
    save_conf: bool = False
    save_crop: bool = False
    save_csv: bool = False
    nosave: bool = False
    quality: int = 95
    line_thickness: int = 3
    hide_labels: bool = False
    hide_conf: bool = False
    shard: Shard | Literal["auto"] | None = None
    project: Path = OUTPUTS
    name: str = "exp"
    exist_ok: bool = False
    resume: bool = True
    max_failures: int = 0
    accept_damaged: bool = False
    time_budget: float | None = None

    def of_results(self) -> dict[str, Any]:
        """The settings that decide what the results are: a run with other ones cannot be continued by this one."""
        return {
            "imgsz": list(self.imgsz),
            "conf_thres": self.conf_thres,
            "iou_thres": self.iou_thres,
            "max_det": self.max_det,
            "half": self.half,
            "engine": self.engine,
            "classes": None if self.classes is None else list(self.classes),
            "agnostic_nms": self.agnostic_nms,
            "augment": self.augment,
            "save_txt": self.save_txt,
            "save_conf": self.save_conf,
            "save_crop": self.save_crop,
            "save_csv": self.save_csv,
            "nosave": self.nosave,
            "quality": self.quality,
            "line_thickness": self.line_thickness,
            "hide_labels": self.hide_labels,
            "hide_conf": self.hide_conf,
            "accept_damaged": self.accept_damaged,
        }
