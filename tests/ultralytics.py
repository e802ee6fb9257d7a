"""Checkpoints as the ultralytics package saves them, of random weights that show what is computed wrongly.

The package is imported in functions: `tests.conftest.oracle` first tells it to leave the network and the home alone.
"""

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import nn

from scripts.training.scenes import NAMES, Scene
from scripts.training.train import as_tensors


def model_of(yaml: str | dict[str, Any], seed: int = 0, **options: Any) -> Any:
    """A detection model of the package, in eval mode, its values such as FP16 holds."""
    torch.manual_seed(seed)
    plan = _package().yaml_model_load(yaml) if isinstance(yaml, str) else yaml
    return shaken(_package().DetectionModel(plan, verbose=False, **options))


def task_model_of(name: str, seed: int = 0) -> Any:
    """A model of whatever task a YAML file of the package is for."""
    import ultralytics

    torch.manual_seed(seed)
    package: Any = ultralytics
    kind = package.RTDETR if "rtdetr" in name else package.YOLOWorld if "world" in name else package.YOLO
    return shaken(kind(name).model)


def _package() -> Any:
    from ultralytics.nn import tasks

    return tasks


def shaken(model: Any) -> Any:
    """The same with batch norms that do something, and convolutions that let an image through to the end."""
    distances = getattr(model.model[-1], "dfl", None)
    fixed = {id(part) for part in distances.modules()} if isinstance(distances, nn.Module) else set()
    for module in model.modules():
        if isinstance(module, nn.Conv2d) and id(module) not in fixed:
            module.weight.data *= 3**0.5  # from PyTorch's own start to one that keeps the size of values
        for name in ("qkv", "qk"):  # attention that is spread over many pixels, as in trained networks
            if hasattr(module, name):
                getattr(module, name).conv.weight.data *= 0.3
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
            nn.init.uniform_(module.running_mean, -0.5, 0.5)  # type: ignore[arg-type]
            nn.init.uniform_(module.running_var, 0.5, 1.5)  # type: ignore[arg-type]
    return model.half().float().eval()


def trained(yaml: str, scenes: list[Scene], steps: int = 60) -> Any:
    """A detection model of the package that has learnt to find what is in these scenes, all of one size."""
    from ultralytics.cfg import get_cfg

    torch.manual_seed(0)
    images, targets = as_tensors(scenes)
    height, width = images.shape[2:]
    boxes = targets[:, 2:] / torch.tensor([width, height, width, height])
    batch = {"img": images, "batch_idx": targets[:, 0], "cls": targets[:, 1:2], "bboxes": boxes}
    model: Any = _package().DetectionModel(_package().yaml_model_load(yaml), nc=len(NAMES), verbose=False)
    model.args, model.names = get_cfg(), dict(enumerate(NAMES))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.1  # the package's own is for many more steps
    rate = 3e-3
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.2)
    model.train()
    for _ in range(steps):
        optimizer.zero_grad()
        model.loss(batch)[0].sum().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        schedule.step()
    del model.criterion
    return model.half().float().eval()


def smallest(name: str) -> dict[str, Any]:
    """The plan of a YAML file that the package ships, in the smallest scale that there is, where it can be scaled."""
    plan: dict[str, Any] = _package().yaml_model_load(name)
    scales = plan.get("scales")
    if isinstance(scales, dict):
        smallest = next(iter(scales))
        return plan | {"scale": smallest, "scales": {smallest: [0.33, 0.25, 1024]}}
    if "width_multiple" in plan:
        return plan | {"width_multiple": 0.25, "depth_multiple": 0.33}
    return plan


def save(model: Any, path: Path, train_args: dict[str, Any] | None = None, **more: Any) -> Path:
    """As the package's trainer saves it: the model of averaged weights, in FP16."""
    from copy import deepcopy

    from ultralytics import __version__

    content = {"epoch": -1, "best_fitness": None, "model": None, "ema": deepcopy(model).half(), "updates": None}
    content |= {"optimizer": None, "train_args": {"task": "detect", "imgsz": 160} | (train_args or {})}
    content |= {"date": "2026-11-24T00:00:00", "version": __version__, "license": "AGPL-3.0"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.save(content | more, path)
    return path
