"""FP16 is trusted only where it finds what FP32 finds. On a CPU, where PyTorch has FP16 too."""

import copy
import logging
import re

import numpy as np
import pytest

from entrypoint.detect.detector import Detector, DetectorOptions
from entrypoint.detect.enginechoice import gpu_engines
from entrypoint.detect.precision import Trial
from entrypoint.engines.torch import TorchEngine
from entrypoint.host.device import CPU, Device
from entrypoint.log import LOG
from entrypoint.models.graph import PIXELS, Node
from entrypoint.models.network import Network
from entrypoint.sources.medium import FailedMedium, Medium
from entrypoint.sources.samples import DEMO_SCENES, DEMO_WEIGHTS
from entrypoint.sources.scan import scan
from entrypoint.values import Failure
from entrypoint.weights.checkpoint import load_checkpoint

FULL, HALF = CPU, Device(half=True)
OPTIONS = DetectorOptions((320, 320))


@pytest.fixture
def network() -> Network:
    return load_checkpoint(DEMO_WEIGHTS)


@pytest.fixture
def media() -> list[Medium]:
    broken = FailedMedium(0, "broken", Failure("vanished", "gone"))
    return [broken, *scan(str(DEMO_SCENES))]


def overflowing(network: Network) -> Network:
    """The same, by way of values that FP16 cannot hold."""
    wild = copy.deepcopy(network)
    first = wild.graph.nodes[0]
    for name, factor in (("large", 1e6), ("small", 1e-6)):
        wild.graph.constants[name] = np.full((1, 1, 1, 1), factor, np.float32)
    wild.graph.nodes[:1] = [
        Node(first.op, first.inputs, ("a",), first.attributes),
        Node("Mul", ("a", "large"), ("b",)),
        Node("Mul", ("b", "small"), first.outputs),
    ]
    assert first.inputs[0] == PIXELS
    return wild


def detector(network: Network, device: Device) -> Detector:
    return Detector(TorchEngine(network.graph, device), network, OPTIONS)


def test_half_precision_finds_the_same_boxes(network: Network, media: list[Medium]) -> None:
    assert Trial(detector(network, FULL), media).fault(detector(network, HALF)) is None


def test_an_overflow_is_noticed(network: Network, media: list[Medium]) -> None:
    wild = overflowing(network)
    fault = Trial(detector(wild, FULL), media).fault(detector(wild, HALF))
    assert fault == "half precision overflows"


def test_boxes_that_are_lost_are_counted(network: Network, media: list[Medium]) -> None:
    blind = copy.deepcopy(network)
    for node in blind.graph.nodes:
        if node.outputs[0] in blind.graph.outputs:
            blind.graph.constants[node.inputs[2]] = blind.graph.constants[node.inputs[2]] - 20
    fault = Trial(detector(network, FULL), media).fault(detector(blind, HALF))
    assert fault is not None
    lost, sure = map(int, re.findall(r"\d+", fault))
    assert lost == sure > 4


def test_an_empty_source_is_no_fault(network: Network) -> None:
    assert Trial(detector(network, FULL), []).fault(detector(network, HALF)) is None


@pytest.mark.parametrize("faulty", [False, True], ids=["good", "faulty"])
def test_replicas_run_in_half_precision_or_all_in_full_and_say_so(
    network: Network,
    media: list[Medium],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    faulty: bool,
) -> None:
    monkeypatch.setattr(LOG, "propagate", True)
    caplog.set_level(logging.WARNING, "yolo-bac")
    original = overflowing(network) if faulty else network
    reference = detector(original, FULL)
    engines = gpu_engines(original, [HALF, HALF], OPTIONS, media)
    assert [engine.device.half for engine in engines] == [not faulty] * 2
    assert ("half precision overflows" in caplog.text) == faulty
    assert engines[0] is not engines[1]
    pixels = [np.full((320, 320, 3), 90, np.uint8)]
    for engine in engines:
        ours, theirs = engine.run(engine.upload(pixels)), reference.engine.run(reference.engine.upload(pixels))
        for mine, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(np.asarray(mine), np.asarray(other), atol=0.1, rtol=0.05)
