"""Checkpoints of every release of YOLOv5, made by that release's own code, compute what that code computes."""

from pathlib import Path

import numpy as np
import pytest
import torch

from entrypoint.weights.checkpoint import load_checkpoint
from entrypoint.weights.inspect import inspect
from tests import yolov5
from tests.pretendgpu import assert_runs_on_gpus
from tests.weights.test_layers import everything

RELEASES = ("v1.0", "v2.0", "v3.0", "v3.1", "v4.0", "v5.0", "v6.0", "v6.1", "v6.2", "v7.0")
MADE = """
import sys, torch, yaml
from torch import nn
from unittest.mock import MagicMock
sys.modules.update({"IPython": MagicMock(), "IPython.display": MagicMock()})  # to show what is not shown here
from models.yolo import Model
torch.manual_seed(1)
with open(sys.argv[1]) as file:
    plan = yaml.safe_load(file) | {"depth_multiple": 0.33, "width_multiple": 0.25}
with torch.no_grad():
    model = Model(plan, nc=3)
    for part in model.modules():
        if isinstance(part, nn.Conv2d):
            part.weight *= 3 ** 0.5
        if isinstance(part, nn.BatchNorm2d):
            for values, low, high in (
                (part.weight, 0.5, 1.5), (part.bias, -0.5, 0.5),
                (part.running_mean, -0.5, 0.5), (part.running_var, 0.5, 1.5),
            ):
                nn.init.uniform_(values, low, high)
    model.names = ["one", "two", "three"]
    torch.save({"epoch": 3, "best_fitness": 0.5, "model": model.half(), "optimizer": None}, sys.argv[2])
    pixels = torch.rand(2, 3, 128, 192, generator=torch.Generator().manual_seed(3))
    torch.save((pixels, model.float().eval()(pixels)[0]), sys.argv[3])
"""


@pytest.mark.parametrize(
    ("release", "plan"),
    [*((release, "yolov5s") for release in RELEASES), ("v1.0", "hub/yolov5-panet"), ("v7.0", "hub/yolov5-panet")],
)
def test_a_checkpoint_of_the_release(tmp_path: Path, release: str, plan: str) -> None:
    folder = yolov5.released(release, tmp_path / "yolov5")
    weights, made = tmp_path / "weights", tmp_path / "made"
    yolov5.run(folder, "-c", MADE, f"models/{plan}.yaml", weights, made)
    pixels, expected = torch.load(made)
    network = load_checkpoint(weights)
    assert (network.names, network.stride) == (("one", "two", "three"), 32)
    found = everything(network, pixels)
    assert float(expected[..., 4:].std()) > 1e-3
    np.testing.assert_allclose(found[..., 4:], expected[..., 4:], atol=1e-4)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found[..., :4], expected[..., :4], rtol=1e-4, atol=2e-2)
    assert_runs_on_gpus(network)
    facts = inspect(weights)
    assert (facts.family, facts.classes, facts.stride, facts.fault) == ("YOLOv5", network.names, 32, None)
