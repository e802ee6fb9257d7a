"""GPUs as the driver's own library tells of them, without PyTorch, which takes a second to import."""

import ctypes
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_LIBRARY = "libcuda.so.1"
_MAJOR, _MINOR = 75, 76  # CUdevice_attribute: the compute capability
_NO_DEVICE, _NAME_BYTES = 100, 256


@dataclass(frozen=True, slots=True)
class Gpu:
    """`memory` in bytes; `capability`: the version of what it can compute, such as (9, 0)."""

    name: str
    memory: int
    capability: tuple[int, int]


class NoGpuError(Exception):
    """There is no GPU that can be used; the message says why."""


def gpus() -> list[Gpu]:
    """The GPUs that CUDA shows this process, by number; CUDA_VISIBLE_DEVICES is heeded. Raises NoGpuError for none."""
    try:
        driver = ctypes.CDLL(_LIBRARY)
    except OSError as error:
        raise NoGpuError(f"NVIDIA's driver is not here ({_LIBRARY})") from error
    ask = _asker(driver)
    ask("cuInit", 0)
    count = ctypes.c_int()
    ask("cuDeviceGetCount", ctypes.byref(count))
    if not count.value:
        hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
        raise NoGpuError("no CUDA device" + (f" (CUDA_VISIBLE_DEVICES is {hidden!r})" if hidden is not None else ""))
    return [_gpu(ask, number) for number in range(count.value)]


def _gpu(ask: Callable[..., None], number: int) -> Gpu:
    device, memory, major, minor = ctypes.c_int(), ctypes.c_size_t(), ctypes.c_int(), ctypes.c_int()
    name = ctypes.create_string_buffer(_NAME_BYTES)
    ask("cuDeviceGet", ctypes.byref(device), number)
    ask("cuDeviceGetName", name, _NAME_BYTES, device)
    ask("cuDeviceTotalMem_v2", ctypes.byref(memory), device)
    for attribute, value in ((_MAJOR, major), (_MINOR, minor)):
        ask("cuDeviceGetAttribute", ctypes.byref(value), attribute, device)
    return Gpu(name.value.decode("utf-8", "replace"), memory.value, (major.value, minor.value))


def _asker(driver: Any) -> Callable[..., None]:
    def ask(function: str, *arguments: object) -> None:
        code = getattr(driver, function)(*arguments)
        if code == _NO_DEVICE:
            raise NoGpuError("no CUDA device")
        if code:
            text = ctypes.c_char_p()
            driver.cuGetErrorString(code, ctypes.byref(text))
            why = (text.value or b"an unknown error").decode("utf-8", "replace")
            raise NoGpuError(f"the driver answers {function} with error {code}, {why}")

    return ask
