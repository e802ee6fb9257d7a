"""PyTorch: a graph operation by operation, on a GPU or where it is asked for.

Values come back from the device in two places alone, both of `DeviceTensor`: `cells_above`, for the candidates of a
batch, and `__array__`, for outputs that are read whole. Everything before them is queued without waiting.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from entrypoint.engines.base import Engine, Images, Pixels, interleaved
from entrypoint.engines.program import Form, Program, Values
from entrypoint.errors import ResourceError
from entrypoint.host.device import Device
from entrypoint.models.graph import Graph
from entrypoint.models.network import Cells, Output

_SHARE_OF_FREE_MEMORY = 0.8
_CONTEXT_BYTES = 800_000_000  # CUDA's own, with the code of cuDNN's and cuBLAS's kernels; not measured here
_MOST_SHAPES = 64  # of batches, for which a thread keeps what it has worked out
_WHITE = 255
_streams = threading.local()


class DeviceTensor:
    """A tensor on a GPU, as `entrypoint.models.network.OnDevice`."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.tensor.shape)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self.tensor.float().cpu().numpy()

    def cells_above(self, groups: int, channel: int, least: float) -> Cells:
        batch, channels, height, width = self.tensor.shape
        values = self.tensor.view(batch, groups, channels // groups, height * width)
        places = (values[:, :, channel] > least).nonzero()
        image, group, cell = places.unbind(1)
        found = values[image, group, :, cell].float().cpu().numpy()
        image, group, cell = places.T.cpu().numpy()
        return image, group, cell, found


class TorchEngine(Engine):
    """A graph whose constants lie on a device, in its precision and in the layout that convolutions like best.

    Raises ResourceError when they do not fit there, UnknownOperationError for operations that are not in the table.
    """

    name = "torch"

    def __init__(self, graph: Graph, device: Device) -> None:
        self.device = device
        (self._input,) = graph.inputs
        self._place, self._dtype = torch.device(str(device)), torch.float16 if device.half else torch.float32
        self._of_thread = threading.local()
        try:
            self._program = Program(graph, self._place, self._dtype)
            if device.on_gpu:
                torch.cuda.synchronize(self._place)  # other streams do not wait for this one
        except RuntimeError as error:
            if not device.on_gpu:
                raise
            raise ResourceError(
                f"the network cannot be placed on {device}: {str(error).splitlines()[0]}; free its memory, choose a "
                "smaller model, or run with --device cpu"
            ) from error

    @torch.inference_mode()
    def upload(self, images: Images) -> Pixels:
        """Send bytes over the bus from pinned memory, which PyTorch gives out again once the copy has ended."""
        if not self.device.on_gpu:
            return interleaved(images)
        staged = torch.empty((len(images), *images[0].shape), dtype=torch.uint8, pin_memory=True)
        np.stack(images, out=staged.numpy())
        pixels = staged.to(self._place, non_blocking=True)
        return DeviceTensor(pixels.flip(3).permute(0, 3, 1, 2).to(self._dtype).div_(_WHITE))

    @torch.inference_mode()
    def run(self, pixels: Pixels) -> Sequence[Output]:
        torch.get_num_threads()  # on a new thread, oneDNN hears of the number set only from this
        tensor = pixels.tensor if isinstance(pixels, DeviceTensor) else torch.from_numpy(np.asarray(pixels))
        found = self._computed(tensor.to(self._place, self._dtype).contiguous(memory_format=torch.channels_last))
        return [DeviceTensor(one) if self.device.on_gpu else one.float().numpy() for one in found]

    def _computed(self, pixels: Tensor) -> list[Tensor]:
        """Compute the outputs, operation by operation; once for a shape, what depends on that alone."""
        program, shapes = self._program, self._shapes_of_thread()
        shape = tuple(pixels.shape)
        known, worked_out = shapes.get(shape), Values()
        values = {**program.constants, **(known or {}), (self._input, Form.TENSOR): pixels}
        for step in program.steps:
            if not step.on_host:
                for name, tensor in step.run(values).items():
                    values[name, Form.TENSOR] = tensor
            elif known is None:
                forms = program.forms(step.run(values))
                worked_out.update(forms)
                values.update(forms)
            for key in step.done_with:
                del values[key]
        if known is None:
            if len(shapes) == _MOST_SHAPES:
                shapes.clear()
            shapes[shape] = worked_out
        return [values[key] for key in program.outputs]

    def _shapes_of_thread(self) -> dict[tuple[int, ...], Values]:
        """Return what depends on the shape of pixels alone, by shape. Each thread has its own, like its stream."""
        found: dict[tuple[int, ...], Values] = self._of_thread.__dict__.setdefault("shapes", {})
        return found

    @contextmanager
    def queue(self) -> Iterator[None]:
        if not self.device.on_gpu:
            yield
            return
        streams: dict[str, torch.cuda.Stream] = _streams.__dict__
        name = str(self._place)
        if name not in streams:
            streams[name] = torch.cuda.Stream(self._place)  # type: ignore[no-untyped-call]
        with torch.cuda.stream(streams[name]), torch.inference_mode():
            yield

    def batch_size(self, try_one: Callable[[], object], most: int, batches: int) -> int:
        if not self.device.on_gpu:
            return most
        place = self._place
        torch.cuda.reset_peak_memory_stats(place)
        before = torch.cuda.memory_allocated(place)
        try_one()
        each = max(1, torch.cuda.max_memory_allocated(place) - before)
        cached = torch.cuda.memory_reserved(place) - torch.cuda.memory_allocated(place)
        free = torch.cuda.mem_get_info(place)[0] + cached
        return max(1, min(most, int(free * _SHARE_OF_FREE_MEMORY) // (each * batches)))

    def set_threads(self, threads: int) -> None:
        torch.set_num_threads(threads)

    def free_cache(self) -> None:
        if self.device.on_gpu:
            torch.cuda.empty_cache()

    def held_by_others(self) -> str:
        if not self.device.on_gpu:
            return ""
        free, total = torch.cuda.mem_get_info(self._place)
        others = total - free - torch.cuda.memory_reserved(self._place) - _CONTEXT_BYTES
        return f"other processes hold {others / 1e9:.1f} of its {total / 1e9:.1f} GB" if others > total // 20 else ""
