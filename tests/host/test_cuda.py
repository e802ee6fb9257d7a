"""What the driver's library is asked, and what its answers mean. The library is played; the real one is not here."""

import ctypes
from typing import Any

import pytest

from entrypoint.host.cuda import Gpu, NoGpuError, gpus


class Driver:
    """Two GPUs, as libcuda.so.1 shows them; or an error of `cuInit`."""

    def __init__(self, count: int = 2, error: int = 0) -> None:
        self._count, self._error = count, error

    def cuInit(self, flags: int) -> int:
        return self._error

    def cuDeviceGetCount(self, count: Any) -> int:
        count._obj.value = self._count
        return 0

    def cuDeviceGet(self, device: Any, number: int) -> int:
        device._obj.value = number + 70
        return 0

    def cuDeviceGetName(self, name: Any, length: int, device: Any) -> int:
        name.value = f"GPU {device.value}".encode()
        return 0

    def cuDeviceTotalMem_v2(self, memory: Any, device: Any) -> int:
        memory._obj.value = 80 << 30
        return 0

    def cuDeviceGetAttribute(self, value: Any, attribute: int, device: Any) -> int:
        value._obj.value = {75: 9, 76: 0}[attribute]
        return 0

    def cuGetErrorString(self, code: int, text: Any) -> int:
        text._obj.value = b"system has unsupported display driver / cuda driver combination"
        return 0


def play(monkeypatch: pytest.MonkeyPatch, driver: Driver) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: driver)


def test_each_gpu_is_described(monkeypatch: pytest.MonkeyPatch) -> None:
    play(monkeypatch, Driver())
    assert gpus() == [Gpu("GPU 70", 80 << 30, (9, 0)), Gpu("GPU 71", 80 << 30, (9, 0))]


@pytest.mark.parametrize(
    ("driver", "why"),
    [
        (Driver(count=0), "no CUDA device"),
        (Driver(error=100), "no CUDA device"),
        (Driver(error=803), "cuInit with error 803, system has unsupported display driver"),
    ],
)
def test_why_there_is_none_is_said(monkeypatch: pytest.MonkeyPatch, driver: Driver, why: str) -> None:
    play(monkeypatch, driver)
    with pytest.raises(NoGpuError, match=why):
        gpus()


def test_gpus_that_are_hidden_are_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    play(monkeypatch, Driver(count=0))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(NoGpuError, match="CUDA_VISIBLE_DEVICES is ''"):
        gpus()


def test_a_machine_without_the_driver_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", missing)
    with pytest.raises(NoGpuError, match=r"NVIDIA's driver is not here \(libcuda.so.1\)"):
        gpus()
