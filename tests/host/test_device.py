"""Which GPU is trusted, and what is said where there is none. GPUs are played by a fake driver; none is here."""

import logging

import pytest

from entrypoint.errors import ResourceError
from entrypoint.host import device as device_module
from entrypoint.host.cuda import Gpu, NoGpuError
from entrypoint.host.device import CPU, Device, choose_devices
from entrypoint.log import LOG


def no_fault(device: Device) -> None:
    return None


def old(device: Device) -> str | None:
    assert device.gpu
    return f"{device.gpu.name} is too old" if device.gpu.capability < (7, 5) else None


def no_gpus() -> list[Gpu]:
    raise NoGpuError("no CUDA device")


def play(monkeypatch: pytest.MonkeyPatch, *capabilities: tuple[int, int]) -> None:
    """Make the driver show these GPUs, or none."""
    found = [Gpu("Tesla P4", 8 << 30, capability) for capability in capabilities]
    monkeypatch.setattr(device_module, "gpus", (lambda: found) if found else no_gpus)


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    """What is logged."""
    monkeypatch.setattr(LOG, "propagate", True)
    caplog.set_level(logging.INFO, "yolo-bac")
    return caplog


@pytest.mark.parametrize(("wanted", "half"), [("cpu", False), ("cpu", True), ("", True)])
def test_without_a_gpu_the_cpu_runs_in_full_precision(monkeypatch: pytest.MonkeyPatch, wanted: str, half: bool) -> None:
    play(monkeypatch)
    (device,) = choose_devices(wanted, half, no_fault)
    assert (device.on_gpu, device.half) == (False, False)
    assert device.description == "cpu (CPU, FP32)"


@pytest.mark.parametrize("wanted", ["99", "cuda:99", "gpu", "0,1", "-1", "0,0", "0,", "cpu,cpu"])
def test_a_device_that_is_not_there_names_the_flag(monkeypatch: pytest.MonkeyPatch, wanted: str) -> None:
    for capabilities in ((), ((8, 0),)):
        play(monkeypatch, *capabilities)
        with pytest.raises(ResourceError, match="--gpus all"):
            choose_devices(wanted, half=False, fault_of=no_fault)


def test_all_gpus_that_work_are_taken_or_those_asked_for(
    monkeypatch: pytest.MonkeyPatch, said: pytest.LogCaptureFixture
) -> None:
    play(monkeypatch, (8, 0), (6, 1), (9, 0))
    numbers = [device.number for device in choose_devices("", True, old)]
    assert numbers == [0, 2] and all(device.half for device in choose_devices("", True, old))
    assert "Tesla P4 is too old" in said.text and "the other GPUs run without it" in said.text
    assert [device.number for device in choose_devices("2,0", False, old)] == [2, 0]
    (device,) = choose_devices("cuda:2", False, old)
    assert (str(device), device.description) == ("cuda:2", "cuda:2 (Tesla P4, FP32)")
    with pytest.raises(ResourceError, match="--device 0,1: Tesla P4 is too old; use another GPU, or --device cpu"):
        choose_devices("0,1", False, old)


def test_a_gpu_with_a_fault_gives_way_to_the_cpu_with_a_warning(
    monkeypatch: pytest.MonkeyPatch, said: pytest.LogCaptureFixture
) -> None:
    play(monkeypatch, (6, 1))
    assert choose_devices("", False, old) == [CPU]
    assert "Tesla P4 is too old; running on the CPU instead" in said.text
    assert said.records[-1].levelno == logging.WARNING


def test_a_gpu_in_sight_that_cuda_does_not_see_is_said_loudly(
    monkeypatch: pytest.MonkeyPatch, said: pytest.LogCaptureFixture, tmp_path: object
) -> None:
    play(monkeypatch)
    monkeypatch.setattr(device_module, "_GPU_SIGNS", ())
    assert choose_devices("", False, no_fault) == [CPU]
    assert said.records[-1].levelno == logging.INFO
    monkeypatch.setattr(device_module, "_GPU_SIGNS", (tmp_path,))
    assert choose_devices("", False, no_fault) == [CPU]
    assert said.records[-1].levelno == logging.WARNING
    assert str(tmp_path) in said.text and "no CUDA device" in said.text
