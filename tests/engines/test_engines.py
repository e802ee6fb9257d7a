"""Engines compute the same network: layer by layer as ONNX, whole, and in the order and company of any images."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from entrypoint.engines.graph import NotExpressibleError, onnx_model
from entrypoint.engines.onnx import OnnxEngine
from entrypoint.engines.torch import TorchEngine
from entrypoint.host.device import Device
from entrypoint.models.yolov5.head import Detect
from entrypoint.models.yolov5.layers import Concat, Contract
from entrypoint.models.yolov5.network import Network, Step
from entrypoint.sources.samples import DEMO_WEIGHTS
from entrypoint.weights.classic.checkpoint import load_checkpoint
from tests.conftest import ROOT
from tests.weights.test_layers import CASES, built, shake

CPU = Device(torch.device("cpu"))
BEFORE = Step((-1,), many=False)


def network_of(layer: nn.Module, channels: int) -> Network:
    """A network of one layer of 16 channels, behind a convolution, and a head of two anchors and one class."""
    stem, head = nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(channels, 12, 1)
    detect = Detect(nn.ModuleList([head]), torch.ones(1, 2, 2), torch.tensor([8.0]), 1)
    network = Network([stem, layer], detect, [BEFORE, BEFORE, Step((-1,), many=True)], 32)
    return network.eval().requires_grad_(False)


@torch.no_grad()
def assert_equal_as_onnx(network: Network) -> None:
    pixels = torch.rand(2, 3, 32, 64)
    expected = [values.clone() for values in network(pixels.clone())]
    assert max(float(values.std()) for values in expected) > 0.01
    for found, wanted in zip(OnnxEngine(network, 1).maps(pixels), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("case", [case for case in CASES if "Transformer" not in case and case != "C3TR"])
def test_layers_are_the_same_as_onnx(oracle: Any, tmp_path: Path, case: str) -> None:
    torch.manual_seed(1)
    layer = built(shake(CASES[case](oracle)), oracle, tmp_path / "layer")
    with torch.no_grad():
        channels = layer(torch.zeros(1, 16, 32, 64)).shape[1]
    assert_equal_as_onnx(network_of(layer, channels))


@pytest.mark.parametrize(
    "layer",
    [
        nn.ReLU(),
        nn.ReLU6(),
        nn.LeakyReLU(0.2),
        nn.Hardswish(),
        nn.Mish(),
        nn.Sigmoid(),
        nn.Identity(),
        nn.Upsample(scale_factor=3.0, mode="nearest"),
        nn.Upsample(scale_factor=1.5, mode="bilinear"),
        nn.Upsample(scale_factor=2.0, mode="bilinear"),
        nn.Upsample(scale_factor=2.0, mode="bilinear", align_corners=True),
        nn.MaxPool2d((5, 5), (1, 1), (2, 2), (1, 1)),
        nn.MaxPool2d((2, 3), (2, 1), (0, 1), (2, 1)),
        nn.ConvTranspose2d(16, 16, 3, 2, 1, 1, bias=False),
        nn.ZeroPad2d((1, 2, 3, 4)),
    ],
    ids=str,
)
def test_other_layers_are_the_same_as_onnx(layer: nn.Module) -> None:
    torch.manual_seed(2)
    assert_equal_as_onnx(network_of(layer, 16))


def test_sources_that_are_not_the_layer_before() -> None:
    torch.manual_seed(3)
    convs = [nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 1), nn.Conv2d(8, 4, 1)]
    detect = Detect(nn.ModuleList([nn.Conv2d(4, 12, 1) for _ in range(2)]), torch.ones(2, 2, 2), torch.ones(2) * 8, 1)
    steps = [BEFORE, BEFORE, Step((-1, -2), many=True), BEFORE, Step((1, 3), many=True)]
    network = Network([convs[0], convs[1], Concat(1), convs[2]], detect, steps, 32)
    assert_equal_as_onnx(network.eval().requires_grad_(False))


@pytest.mark.parametrize(
    ("layer", "name"),
    [
        (Contract(2), "Contract"),
        (nn.MaxPool2d((3, 3), (2, 2), ceil_mode=True), "MaxPool2d with ceil_mode"),
        (nn.MultiheadAttention(16, 2), "MultiheadAttention"),
        (nn.Upsample(scale_factor=1.2), "Upsample by 1.2"),
    ],
)
def test_what_onnx_is_not_given_is_named(layer: nn.Module, name: str) -> None:
    with pytest.raises(NotExpressibleError, match=name):
        onnx_model(network_of(layer, 16))


@pytest.mark.parametrize("case", ["C3TR", "TransformerBlock with a convolution"])
def test_transformers_are_not_given_to_onnx(oracle: Any, tmp_path: Path, case: str) -> None:
    layer = built(shake(CASES[case](oracle)), oracle, tmp_path / "layer")
    with pytest.raises(NotExpressibleError, match="TransformerBlock"):
        onnx_model(network_of(layer, 32))


def test_results_depend_neither_on_threads_nor_on_the_batch() -> None:
    network = load_checkpoint(DEMO_WEIGHTS).network
    images = [np.random.default_rng(seed).integers(0, 256, (256, 320, 3), np.uint8) for seed in range(3)]
    one, two = OnnxEngine(network, 1), OnnxEngine(network, 2)
    together = one.maps(one.upload(images))
    for number, image in enumerate(images):
        for engine in (one, two):
            for alone, batch in zip(engine.maps(engine.upload([image])), together, strict=True):
                assert torch.equal(alone[0], batch[number])


FULL = """
import re, resource, torch
from pathlib import Path
from entrypoint.host.device import is_out_of_memory
from entrypoint.engines.onnx import OnnxEngine
from entrypoint.sources.samples import DEMO_WEIGHTS
from entrypoint.weights.classic.checkpoint import load_checkpoint
engine = OnnxEngine(load_checkpoint(DEMO_WEIGHTS).network, 1)
pixels = torch.zeros(1, 3, 2048, 2048)
used = int(re.search(r"VmData:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024
resource.setrlimit(resource.RLIMIT_DATA, (used + (16 << 20), resource.RLIM_INFINITY))
try:
    engine.maps(pixels)
except Exception as error:
    print(is_out_of_memory(error))
"""


def test_memory_that_is_out_is_said_as_such() -> None:
    ended = subprocess.run([sys.executable, "-c", FULL], capture_output=True, text=True, check=False, cwd=ROOT)
    assert ended.stdout == "True\n", ended.stderr


def test_engines_may_be_used_by_many_threads() -> None:
    network = load_checkpoint(DEMO_WEIGHTS).network
    images = [np.random.default_rng(seed).integers(0, 256, (256, 320, 3), np.uint8) for seed in range(8)]
    for engine in (OnnxEngine(network, 1), TorchEngine(network, CPU)):

        @torch.inference_mode()
        def look(image: np.ndarray) -> Any:
            return engine.maps(engine.upload([image]))  # noqa: B023

        singly = [look(image) for image in images]
        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(look, images * 4))
        for number, found in enumerate(together):
            for one, other in zip(found, singly[number % 8], strict=True):
                torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
