"""GPUs that are not there, pretended by PyTorch's fake tensors: they have shapes, types and devices, and no values.

An operation that mixes devices fails, as on a GPU. So does one that reads a value back, unless the program's code says
that it does (`READ_BACK`).
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import FrameType
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from entrypoint.engines.onnx import OnnxEngine
from entrypoint.engines.torch import DeviceTensor, TorchEngine
from entrypoint.host.cuda import Gpu
from entrypoint.host.device import Device
from entrypoint.models.network import Network

READ_BACK = {
    "DeviceTensor.cells_above": "the few cells of a batch that become candidates",
    "DeviceTensor.__array__": "outputs that are read whole: boxes of an export, and all of them in a trial",
    "convolution_fault": "the trial of a GPU, before it is used",
}
"""The functions that may wait for a value from the device, and what for."""
_FOUND = 5  # rows that an operation gives whose number of rows depends on values
_WAITING = ("nonzero", "_local_scalar_dense", "item", "is_nonzero", "equal", "masked_select", "_unique2", "unique_dim")
_BATCHES = (1, 32)
_T4 = Gpu("Tesla T4", 16 << 30, (7, 5))


class ReadBackError(AssertionError):
    """An operation waits for the device where the code does not say so; the message names both."""


class Watch(TorchDispatchMode):
    """Notes what waits for the device, and plays those operations whose results depend on values."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[tuple[str, str]] = []
        """The function of the program, and PyTorch's operation, of each wait."""
        self.kinds: set[tuple[str, torch.dtype]] = set()
        """Devices and types of all values that operations gave."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, kwargs = func.overloadpacket.__name__, kwargs or {}
        tensors = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]
        from_device = any(tensor.is_cuda for tensor in tensors)
        if from_device and (name in _WAITING or (name == "index" and _has_mask(args))):
            self._note(name)
            if name == "nonzero":
                return torch.empty((_FOUND, args[0].ndim), dtype=torch.int64, device=args[0].device)
        found = func(*args, **kwargs)
        self.kinds |= {(str(one.device), one.dtype) for one in tree_leaves(found) if isinstance(one, Tensor)}
        to_host = isinstance(found, Tensor) and not found.is_cuda
        if from_device and to_host and name in ("_to_copy", "copy_", "to"):
            self._note(name)
        return found

    def _note(self, operation: str) -> None:
        place = _place(sys._getframe(2))
        self.waits.append((place, operation))
        if place not in READ_BACK:
            raise ReadBackError(f"{operation} in {place} waits for the GPU")


@contextmanager
def pretended_gpus() -> Iterator[Watch]:
    """Have tensors on `cuda` devices within the block, of which nothing can be read but shape, type and device."""

    class Nothing:
        def __init__(self, *_: object) -> None:
            pass

    with (
        patch.multiple(torch.cuda, Stream=Nothing, stream=lambda _: nullcontext(), synchronize=lambda _: None),
        patch.object(Tensor, "numpy", _numpy),
        FakeTensorMode(allow_non_fake_inputs=True),
        Watch() as watch,
    ):
        yield watch


def gpu(number: int = 0, *, half: bool = False) -> Device:
    """A device for the program."""
    return Device(number, _T4, half)


def assert_runs_on_gpus(network: Network) -> None:
    """Run a network on two GPUs that are not there, in both precisions and in batches of two sizes: no value but the
    candidates is read back, all are where and what they should be, and outputs have ONNX Runtime's shapes.
    """
    strides = network.stride
    sizes = [network.size] if network.size else [(10 * strides, 11 * strides), (12 * strides, 10 * strides)]
    shapes = {size: _shapes(network, size) for size in sizes}
    for number, half in ((0, False), (1, True), (1, False), (0, True)):
        with pretended_gpus() as watch:
            engine = TorchEngine(network.graph, gpu(number, half=half))
            for height, width in sizes:
                for batch in [network.batch] if network.batch else _BATCHES:
                    watch.waits.clear()
                    pixels = engine.upload([np.zeros((height, width, 3), np.uint8)] * batch)
                    found = engine.run(pixels)
                    assert not watch.waits
                    assert isinstance(pixels, DeviceTensor) and pixels.shape == (batch, 3, height, width)
                    assert [(len(one), *one.shape[1:]) for one in map(_tensor, found)] == [
                        (batch, *sides) for sides in shapes[height, width]
                    ]
                    kinds = {(place, kind) for place, kind in watch.kinds if kind.is_floating_point}
                    assert {kind for kind in kinds if kind[0] != "cpu"} == {
                        (f"cuda:{number}", torch.float16 if half else torch.float32)
                    }
                    network.candidates(found, 0.25)
                    assert 1 <= len(watch.waits) <= 3 * len(found)
                    watch.kinds.clear()


def _tensor(output: object) -> torch.Tensor:
    assert isinstance(output, DeviceTensor)
    return output.tensor


def _shapes(network: Network, size: tuple[int, int]) -> list[tuple[int, ...]]:
    """The shapes of the outputs for one image of that size, as ONNX Runtime gives them."""
    found = OnnxEngine(network.graph, 1).run(np.zeros((network.batch or 1, 3, *size), np.float32))
    return [output.shape[1:] for output in found]


def _numpy(tensor: Tensor, *_: object) -> NDArray[Any]:
    """Zeros of that shape: there are no values."""
    assert tensor.device.type == "cpu", "NumPy cannot have what lies on a GPU"
    kind = np.dtype(str(tensor.dtype).removeprefix("torch."))
    return np.zeros(tuple(tensor.shape), kind) if isinstance(tensor, FakeTensor) else np.asarray(tensor)


def _has_mask(args: Any) -> bool:
    return any(isinstance(one, Tensor) and one.dtype in (torch.bool, torch.uint8) for one in args[1])


def _place(frame: FrameType | None) -> str:
    """The innermost function of the program's own."""
    while frame and not frame.f_globals.get("__name__", "").startswith("entrypoint."):
        frame = frame.f_back
    return frame.f_code.co_qualname if frame else "a test"
