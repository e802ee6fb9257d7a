"""Checkpoints in the classic format, made from any torch modules; and hostile ones."""

import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import torch
from torch import nn

from scripts.training.network import C3, SPPF, Bottleneck, Concat, Conv, Detect, Model


def save_classic(content: object, path: Path, names: Mapping[type, str], **options: Any) -> None:
    """`torch.save` with the classes in `names` pickled under other dotted names."""
    aliases: dict[type, type] = {}
    homes: dict[str, ModuleType] = {}
    for kind, dotted in names.items():
        home, _, name = dotted.rpartition(".")
        aliases[kind] = type(name, (kind,), {"__module__": home, "__qualname__": name})
        for depth in range(1, home.count(".") + 2):
            package = ".".join(home.split(".")[:depth])
            homes.setdefault(package, ModuleType(package))
        setattr(homes[home], name, aliases[kind])
    renamed = [(m, type(m)) for root in _roots(content) for m in root.modules() if type(m) in aliases]
    try:
        for module, kind in renamed:
            module.__class__ = aliases[kind]
        with patch.dict(sys.modules, homes), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the legacy format looks for the source of classes
            torch.save(content, path, **options)
    finally:
        for module, kind in renamed:
            module.__class__ = kind


def _roots(content: object) -> list[nn.Module]:
    values = content.values() if isinstance(content, dict) else [content]
    return [value for value in values if isinstance(value, nn.Module)]


def tiny_model(*names: str) -> Model:
    """The demo's architecture with random weights and batch norms that do something."""
    torch.manual_seed(len(names))
    model = Model(names or ("a", "b"))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
            nn.init.uniform_(module.running_mean, -0.5, 0.5)  # type: ignore[arg-type]
            nn.init.uniform_(module.running_var, 0.5, 1.5)  # type: ignore[arg-type]
    return model.eval()


def tiny_names() -> dict[type, str]:
    """Class names under which YOLOv5 pickles the parts of `tiny_model`."""
    common: tuple[type, ...] = (Conv, Bottleneck, C3, SPPF, Concat)
    names = {kind: f"models.common.{kind.__name__}" for kind in common}
    return names | {Detect: "models.yolo.Detect", Model: "models.yolo.Model"}


class Attack:
    """An object whose pickle calls `function(*arguments)` when it is loaded."""

    def __init__(self, function: Any, *arguments: object) -> None:
        self._call = function, arguments

    def __reduce__(self) -> tuple[Any, tuple[object, ...]]:
        return self._call
