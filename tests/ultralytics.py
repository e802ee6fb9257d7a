"""Checkpoints as the ultralytics package saves them, of random weights that show what is computed wrongly.

The package is imported in functions: `tests.conftest.oracle` first tells it to leave the network and the home alone.
"""

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import nn


def model_of(yaml: str | dict[str, Any], seed: int = 0, **options: Any) -> Any:
    """A detection model of the package, in eval mode, its values such as FP16 holds."""
    torch.manual_seed(seed)
    plan = _package().yaml_model_load(yaml) if isinstance(yaml, str) else yaml
    return shaken(_package().DetectionModel(plan, verbose=False, **options))


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


def smallest(name: str) -> dict[str, Any]:
    """The plan of a YAML file that the package ships, in its smallest scale, or narrower where it has none."""
    plan: dict[str, Any] = _package().yaml_model_load(name)
    scales = plan.get("scales")
    if isinstance(scales, dict) and len(scales) > 1:
        return plan | {"scale": next(iter(scales))}
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
