"""Each layer, read from a pickle, computes what an independent implementation computes.

The oracle is the `ultralytics` package, which kept YOLOv5's modules, and PyTorch's own; where neither has one, the
formula written out. Every engine computes each of them.
"""

import subprocess
import sys
from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from entrypoint.engines.onnx import OnnxEngine
from entrypoint.models import operations, windows
from entrypoint.models.network import Network
from entrypoint.models.yolov5.layers import Layer
from entrypoint.models.yolov5.network import YoloV5
from entrypoint.weights.checkpoint import load_checkpoint
from entrypoint.weights.classic.layerbuilders import build_layer
from entrypoint.weights.classic.pickled import read_checkpoint
from entrypoint.weights.classic.pickledmodule import Allowance, PickledModule
from scripts.training.network import STRIDES
from tests.classic import save_classic, tiny_model, tiny_names
from tests.conftest import ROOT
from tests.graphs import graph_of, outputs

YOLOV5_NAMES = [
    *(
        "Conv",
        "DWConv",
        "DWConvTranspose2d",
        "Focus",
        "GhostConv",
        "SPP",
        "SPPF",
        "TransformerLayer",
        "TransformerBlock",
    ),
    *("Bottleneck", "BottleneckCSP", "GhostBottleneck", "C3", "C3x", "C3TR", "C3Ghost"),
]


class C3SPP(nn.Module):
    """Made below from the oracle's C3 and SPP."""


class CrossConv(nn.Module):
    """Two convolutions, 1×k then k×1, with a shortcut where the channels stay."""

    def __init__(self, oracle: Any, channels: int) -> None:
        super().__init__()
        self.cv1 = oracle.Conv(channels, channels, (1, 3), (1, 1))
        self.cv2 = oracle.Conv(channels, channels, (3, 1), (1, 1))
        self.add = True

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.cv2(self.cv1(x))
        return y


def c3spp(m: Any) -> nn.Module:
    block: nn.Module = m.C3(16, 24)
    block.m = m.SPP(12, 12, (5, 9, 13))
    return block


CASES: dict[str, Callable[[Any], nn.Module]] = {
    "Conv": lambda m: m.Conv(16, 24, 3, 2),
    "Conv grouped": lambda m: m.Conv(16, 32, 3, 1, None, 4),
    "Conv without activation": lambda m: m.Conv(16, 24, 1, act=False),
    "Conv with Hardswish": lambda m: m.Conv(16, 24, 3, act=nn.Hardswish()),
    "Conv with LeakyReLU": lambda m: m.Conv(16, 24, 3, act=nn.LeakyReLU(0.1)),
    "DWConv": lambda m: m.DWConv(16, 32, 3),
    "DWConvTranspose2d": lambda m: m.DWConvTranspose2d(16, 16, 4, 2, 1),
    "Bottleneck": lambda m: m.Bottleneck(16, 16),
    "Bottleneck without shortcut": lambda m: m.Bottleneck(16, 24),
    "BottleneckCSP": lambda m: m.BottleneckCSP(16, 24, 2),
    "C3": lambda m: m.C3(16, 24, 2),
    "C3x": lambda m: m.C3x(16, 24, 2),
    "C3TR": lambda m: m.C3TR(16, 32, 2),
    "C3Ghost": lambda m: m.C3Ghost(16, 32, 2),
    "C3SPP": c3spp,
    "TransformerBlock with a convolution": lambda m: m.TransformerBlock(16, 32, 4, 2),
    "SPP": lambda m: m.SPP(16, 24),
    "SPPF": lambda m: m.SPPF(16, 24),
    "Focus": lambda m: m.Focus(16, 24, 3),
    "GhostConv": lambda m: m.GhostConv(16, 24),
    "GhostBottleneck": lambda m: m.GhostBottleneck(16, 16),
    "GhostBottleneck of stride 2": lambda m: m.GhostBottleneck(16, 32, 3, 2),
    "CrossConv": lambda m: CrossConv(m, 16),
    "Upsample": lambda m: nn.Upsample(None, 2, "nearest"),
    "Upsample by a fraction": lambda m: nn.Upsample(scale_factor=1.2),
    "Upsample by three": lambda m: nn.Upsample(scale_factor=3.0, mode="nearest"),
    "Upsample, bilinear": lambda m: nn.Upsample(scale_factor=2.0, mode="bilinear"),
    "Upsample, bilinear by a fraction": lambda m: nn.Upsample(scale_factor=1.5, mode="bilinear"),
    "Upsample, bilinear to the corners": lambda m: nn.Upsample(scale_factor=2.0, mode="bilinear", align_corners=True),
    "ReLU": lambda m: nn.ReLU(),
    "ReLU6": lambda m: nn.ReLU6(),
    "LeakyReLU": lambda m: nn.LeakyReLU(0.2),
    "Hardswish": lambda m: nn.Hardswish(),
    "Mish": lambda m: nn.Mish(),
    "SiLU": lambda m: nn.SiLU(),
    "Sigmoid": lambda m: nn.Sigmoid(),
    "Identity": lambda m: nn.Identity(),
    "BatchNorm": lambda m: nn.BatchNorm2d(16),
    "MaxPool, wide": lambda m: nn.MaxPool2d((5, 5), (1, 1), (2, 2), (1, 1)),
    "MaxPool, uneven": lambda m: nn.MaxPool2d((2, 3), (2, 1), (0, 1), (2, 1)),
    "ConvTranspose": lambda m: nn.ConvTranspose2d(16, 16, 3, 2, 1, 1, bias=False),
    "ConvTranspose in groups": lambda m: nn.ConvTranspose2d(16, 8, 3, 1, 0, 0, 4),
    "ZeroPad": lambda m: nn.ZeroPad2d((1, 2, 3, 4)),
    "Linear": lambda m: nn.Linear(20, 7),
    "Sequential": lambda m: nn.Sequential(m.Conv(16, 16), nn.MaxPool2d(3, 2, 1), nn.ZeroPad2d((0, 1, 0, 1))),
}


def shake(module: nn.Module) -> nn.Module:
    """Give batch norms statistics that a wrong folding would show."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            for values, low, high in (
                (part.weight, 0.5, 1.5),
                (part.bias, -0.5, 0.5),
                (part.running_mean, -0.5, 0.5),
                (part.running_var, 0.5, 1.5),
            ):
                nn.init.uniform_(values, low, high)  # type: ignore[arg-type]
    return module.eval()


def built(
    module: nn.Module, oracle: Any, path: Path, *, more_names: Mapping[type, str] | None = None, **options: Any
) -> Layer:
    """The program's layer for a module that was pickled under YOLOv5's names."""
    names = {getattr(oracle, name): f"models.common.{name}" for name in YOLOV5_NAMES}
    names |= {CrossConv: "models.common.CrossConv", **(more_names or {})}
    save_classic({"model": module}, path, names, **options)
    content = read_checkpoint(path)
    assert isinstance(content, dict)
    return build_layer(PickledModule(content["model"], "model", Allowance(path.stat().st_size)))


@pytest.mark.parametrize("case", CASES)
@torch.no_grad()
def test_layer_equals_the_oracle(oracle: Any, tmp_path: Path, case: str) -> None:
    torch.manual_seed(1)
    module = shake(CASES[case](oracle))
    x = torch.randn(2, 16, 12, 20)
    expected = module(x.clone())
    assert float(expected.abs().max()) > 0.1
    for found in outputs(graph_of(built(module, oracle, tmp_path / "layer"), 16, 32, 20), x).values():
        torch.testing.assert_close(torch.from_numpy(found), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "pool",
    [
        (2,),
        (3, 2),
        (3, 2, 1),
        (1, 2),
        (1, 3),
        (2, 3, 1),
        (5, 3, 2),
        ((3, 2), (2, 3), (1, 0)),
        (3, 2, 1, 2),
        (2, 3, 0, 3),
    ],
    ids=str,
)
@torch.no_grad()
def test_a_pooling_that_rounds_up_equals_pytorch_at_every_size(oracle: Any, tmp_path: Path, pool: Any) -> None:
    module = nn.MaxPool2d(*pool, ceil_mode=True)  # type: ignore[misc]
    graph = graph_of(built(module, oracle, tmp_path / "layer"), 2, 32, 32)
    for height in range(7, 13):
        x = torch.randn(1, 2, height, 16 - height) - 5
        expected = module(x)
        for found in outputs(graph, x).values():
            torch.testing.assert_close(torch.from_numpy(found), expected)


@pytest.mark.parametrize("scale", [1.1, 1.2, 1.25, 1.5, 1.7, 2.3, 3.9])
@torch.no_grad()
def test_an_enlargement_by_a_fraction_takes_pytorch_s_pixels(scale: float) -> None:
    graph = graph_of(lambda x: windows.upsample(x, scale), 1, 32, 32)
    # PyTorch has other formulas where a side stays as it is or exactly doubles: of a few pixels alone, by such a scale.
    for side in (33, 40, 80, 500):
        x = torch.arange(side * 31).float().view(1, 1, 31, side)
        expected = nn.functional.interpolate(x, scale_factor=scale)
        for found in outputs(graph, x).values():
            assert torch.equal(torch.from_numpy(found), expected)


def test_contract_and_expand_move_blocks_to_channels_and_back() -> None:
    x = torch.arange(2 * 3 * 4 * 6).view(2, 3, 4, 6).float()
    there = outputs(graph_of(lambda value: operations.contract(value, 2), 3, 32, 32), x)
    for contracted in there.values():
        for row in range(2):
            for column in range(2):
                first = (row * 2 + column) * 3
                assert torch.equal(torch.from_numpy(contracted[:, first : first + 3]), x[:, :, row::2, column::2])
        back = outputs(graph_of(lambda value: operations.expand(value, 2), 12, 32, 32), torch.from_numpy(contracted))
        assert all(torch.equal(torch.from_numpy(found), x) for found in back.values())


@torch.no_grad()
def predictions(model: nn.Module, x: Tensor) -> Tensor:
    """What the training model's raw outputs mean, by the formulas of the head written out cell by cell."""
    detect: Any = model.model[-1]  # type: ignore[index]
    rows = []
    for level, raw in enumerate(model(x)):
        t = raw.sigmoid()
        _, anchors, height, width, _ = t.shape
        for anchor in range(anchors):
            size = detect.anchors[level, anchor].float() * STRIDES[level]
            for row in range(height):
                for column in range(width):
                    cell = t[:, anchor, row, column]
                    xy = (cell[:, :2] * 2 - 0.5 + torch.tensor([column, row])) * STRIDES[level]
                    rows.append(torch.cat((xy, (cell[:, 2:4] * 2) ** 2 * size, cell[:, 4:]), 1))
    return torch.stack(rows, 1)


def everything(network: Network, x: Tensor) -> Tensor:
    """All predictions of the program's network: objectness is above nothing."""
    assert isinstance(network, YoloV5)
    image, rows = network.head.decode(OnnxEngine(network.graph, 1).run(x.numpy()), -1)
    return torch.stack([torch.from_numpy(rows[image == number]) for number in range(len(x))])


@torch.no_grad()
def test_the_whole_network_equals_the_training_model(tmp_path: Path) -> None:
    model, x = tiny_model("one", "two", "three"), torch.rand(2, 3, 64, 96)
    expected = predictions(model, x)
    save_classic({"model": model}, tmp_path / "weights", tiny_names())
    checkpoint = load_checkpoint(tmp_path / "weights")
    assert checkpoint.names == ("one", "two", "three")
    assert checkpoint.stride == 32
    torch.testing.assert_close(everything(checkpoint, x), expected, rtol=1e-4, atol=1e-3)


@torch.no_grad()
def test_old_pickles_without_newer_attributes_load(oracle: Any, tmp_path: Path) -> None:
    layers = oracle.Conv(16, 16, 3, act=nn.Hardswish()), nn.Upsample(None, 2.0), oracle.Conv(16, 8)
    model = deepcopy(nn.Sequential(*layers))  # the package's convolutions share one activation
    x = torch.randn(1, 16, 8, 8)
    expected = shake(model)(x)
    for module in model.modules():
        for newer in ("recompute_scale_factor", "inplace", "align_corners", "padding_mode"):
            module.__dict__.pop(newer, None)
        for newer in ("_non_persistent_buffers_set", "_backward_pre_hooks", "_is_full_backward_hook"):
            module.__dict__.pop(newer, None)
    layer = built(model, oracle, tmp_path / "old", _use_new_zipfile_serialization=False)
    for found in outputs(graph_of(layer, 16, 32, 32), x).values():
        torch.testing.assert_close(torch.from_numpy(found), expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_ema_weights_are_preferred(tmp_path: Path) -> None:
    model, ema, x = tiny_model("a"), tiny_model("b", "c"), torch.rand(1, 3, 64, 64)
    save_classic({"model": model, "ema": ema, "updates": 5}, tmp_path / "weights", tiny_names())
    checkpoint = load_checkpoint(tmp_path / "weights")
    assert checkpoint.names == ("b", "c")
    torch.testing.assert_close(everything(checkpoint, x), predictions(ema, x), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["cat", "dog"], ("cat", "dog")),
        ({0: "cat", 1: "dog"}, ("cat", "dog")),
        ({1: "dog"}, ("class0", "dog")),
        (["cat"], ("cat", "class1")),
        (None, ("class0", "class1")),
        (["c\nat\x1b[31m", "d" * 300], ("c�at�[31m", "d" * 100)),
    ],
    ids=["list", "dict", "dict with a gap", "too short", "none", "hostile"],
)
@pytest.mark.parametrize("half", [False, True], ids=["float", "half"])
def test_names_and_precision(tmp_path: Path, names: object, expected: tuple[str, ...], half: bool) -> None:
    model = tiny_model("a", "b")
    model.names = names  # type: ignore[assignment]
    model = model.half() if half else model
    save_classic({"model": None, "ema": model}, tmp_path / "weights", tiny_names())
    checkpoint = load_checkpoint(tmp_path / "weights")
    assert checkpoint.names == expected
    assert {values.dtype.name for values in checkpoint.graph.constants.values()} == {"float32"}


def test_a_numpy_fitness_and_paths_are_passed_over(tmp_path: Path) -> None:
    import numpy as np

    content = {"best_fitness": np.float64(0.5), "array": np.array([0.5]), "opt": {"weights": tmp_path}}
    save_classic({**content, "model": tiny_model()}, tmp_path / "weights", tiny_names())
    assert load_checkpoint(tmp_path / "weights").names == ("a", "b")


LOADED = """
import sys
from entrypoint.sources.samples import DEMO_WEIGHTS
from entrypoint.weights.checkpoint import load_checkpoint
load_checkpoint(DEMO_WEIGHTS)
print(*(name for name in ("sympy", "torch._dynamo", "torch._inductor") if name in sys.modules))
"""


def test_loading_imports_no_compiler() -> None:
    """Torch takes a second for these; it needs them for a computation that is only traced."""
    ended = subprocess.run([sys.executable, "-c", LOADED], check=True, capture_output=True, text=True, cwd=ROOT)
    assert ended.stdout.split() == []
