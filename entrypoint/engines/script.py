"""PyTorch on a CPU, for a TorchScript file whose code was found harmless before it came here."""

import io
import warnings
from collections.abc import Sequence

import numpy as np
import torch

from entrypoint.engines.base import Engine, Pixels
from entrypoint.host.device import CPU
from entrypoint.models.network import Output


class ScriptEngine(Engine):
    """Its first output alone is given: the boxes."""

    name, device = "torch", CPU

    def __init__(self, data: bytes) -> None:
        """`data`: the whole file, which PyTorch trusts. Raises RuntimeError for one that it cannot load."""
        import torchvision  # noqa: F401 - exports that end in NMS call its kernel

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that TorchScript will not be developed any further
            self._module = torch.jit.load(io.BytesIO(data), map_location="cpu").eval()  # type: ignore[no-untyped-call]
        self._dtype = next((one.dtype for one in self._module.parameters() if one.is_floating_point()), torch.float32)

    @torch.inference_mode()
    def run(self, pixels: Pixels) -> Sequence[Output]:
        torch.get_num_threads()  # on a new thread, oneDNN hears of the number set only from this
        found = self._module(torch.from_numpy(np.ascontiguousarray(pixels)).to(self._dtype))
        first = found[0] if isinstance(found, (tuple, list)) else found
        return [first.float().numpy()]

    def set_threads(self, threads: int) -> None:
        torch.set_num_threads(threads)
