"""PyTorch: a graph operation by operation, on a GPU or where it is asked for."""

import threading
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from entrypoint.engines.base import Engine, Images, Pixels, interleaved
from entrypoint.engines.ongpu import JointCells, OnGpu
from entrypoint.engines.operations import FUSED, OPERATIONS
from entrypoint.engines.recording import CudaGraphs, Recorder, Recordings
from entrypoint.engines.upload import Uploader
from entrypoint.errors import ResourceError
from entrypoint.host.device import Device
from entrypoint.models.graph import Graph, Node
from entrypoint.models.network import Output

_SHARE_OF_FREE_MEMORY = 0.8
_of_thread = threading.local()


class UnknownOperationError(Exception):
    """The graph has operations that are not in the table; the message names them."""


@dataclass(frozen=True, slots=True)
class _Step:
    """A node with its function, and the values that nobody needs after it."""

    compute: Callable[..., Tensor]
    node: Node
    done_with: tuple[str, ...]


class TorchEngine(Engine):
    """A graph whose constants lie on a device, in its precision and in the layout that convolutions like best.

    Raises ResourceError when they do not fit there, UnknownOperationError for operations that are not in the table.
    """

    name = "torch"

    def __init__(self, graph: Graph, device: Device, record: Recorder | None = None) -> None:
        """`record` records runs for replay; on a GPU, as CUDA graphs."""
        self.device, self._outputs = device, graph.outputs
        (self._input,) = graph.inputs
        self._place, self._dtype = torch.device(str(device)), torch.float16 if device.half else torch.float32
        self._steps = _steps(graph)
        self._uploader, self._cells = Uploader(self._place, self._dtype), JointCells()
        record = record or (CudaGraphs() if device.on_gpu else None)
        self._recordings = Recordings(self._computed, record) if record else None
        try:
            self._constants = {name: self._placed(values) for name, values in graph.constants.items()}
            if device.on_gpu:
                torch.cuda.synchronize(self._place)  # other streams do not wait for this one
        except RuntimeError as error:
            if not device.on_gpu:
                raise
            raise ResourceError(
                f"the network cannot be placed on {device}: {str(error).splitlines()[0]}; free its memory, choose a "
                "smaller model, or run with --device cpu"
            ) from error

    def _placed(self, values: NDArray[Any]) -> Tensor:
        """Numbers of a shape, and single ones, stay with the host: they tell how to compute."""
        tensor = torch.from_numpy(values)
        if not values.ndim or not tensor.is_floating_point():
            return tensor
        layout = torch.channels_last if values.ndim == 4 else torch.contiguous_format
        return tensor.to(self._place, self._dtype).contiguous(memory_format=layout)

    @torch.inference_mode()
    def upload(self, images: Images) -> Pixels:
        return OnGpu(self._uploader(images), self._cells) if self.device.on_gpu else interleaved(images)

    @torch.inference_mode()
    def run(self, pixels: Pixels) -> Sequence[Output]:
        """On a GPU the outputs hold until this thread runs the next batch."""
        torch.get_num_threads()  # on a new thread, oneDNN hears of the number set only from this
        tensor = pixels.tensor if isinstance(pixels, OnGpu) else torch.from_numpy(np.asarray(pixels))
        tensor = tensor.to(self._place, self._dtype).contiguous(memory_format=torch.channels_last)
        found = self._recordings.run(tensor, self._lane()) if self._recordings else self._computed(tensor)
        return [OnGpu(one, self._cells) if self.device.on_gpu else one.numpy() for one in found]

    def _computed(self, pixels: Tensor) -> list[Tensor]:
        """The outputs, operation by operation."""
        values = self._constants | {self._input: pixels}
        for step in self._steps:
            inputs = (values[name] if name else None for name in step.node.inputs)
            values[step.node.outputs[0]] = step.compute(*inputs, **step.node.attributes)
            for name in step.done_with:
                del values[name]
        return [values[name] for name in self._outputs]

    def _lane(self) -> Hashable:
        """What tells this thread's queue of work from others'."""
        return torch.cuda.current_stream(self._place).cuda_stream if self.device.on_gpu else threading.get_ident()

    @contextmanager
    def queue(self) -> Iterator[None]:
        if not self.device.on_gpu:
            yield
            return
        streams: dict[torch.device, torch.cuda.Stream] = _of_thread.__dict__.setdefault("streams", {})
        if self._place not in streams:
            streams[self._place] = torch.cuda.Stream(self._place)  # type: ignore[no-untyped-call]
        with torch.cuda.stream(streams[self._place]), torch.inference_mode():
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

    def leave_shortcuts_out(self) -> None:
        """Take the plain way to everything from now on, as when a shortcut has failed its trial."""
        self._recordings = None
        for shortcut in (self._uploader.shortcut, self._cells.shortcut):
            shortcut.is_closed = True

    def set_threads(self, threads: int) -> None:
        torch.set_num_threads(threads)

    def free_cache(self) -> None:
        if self._recordings:
            self._recordings.forget()
        if self.device.on_gpu:
            torch.cuda.empty_cache()


def _steps(graph: Graph) -> list[_Step]:
    """The nodes with what computes them; x · sigmoid(x) as one, in place where nobody else reads x."""
    unknown = {node.op for node in graph.nodes} - OPERATIONS.keys()
    if unknown:
        raise UnknownOperationError(f"PyTorch's table has no {', '.join(sorted(unknown))}")
    uses = Counter([*graph.outputs, *(name for node in graph.nodes for name in node.inputs)])
    makers = {name: node for node in graph.nodes for name in node.outputs}
    kept, gates, steps = {*graph.outputs, *graph.constants}, set(), []
    for node in reversed(graph.nodes):
        if node.outputs[0] in gates:
            continue
        gate = makers.get(node.inputs[-1])
        gated = node.op == "Mul" and gate and gate.op == "Sigmoid" and gate.inputs == node.inputs[:1]
        if gated and uses[node.inputs[-1]] == 1:
            gates.add(node.inputs[-1])
            node = Node(FUSED, node.inputs[:1], node.outputs)
        done_with = {name for name in node.inputs if name} - kept
        kept |= done_with
        if node.op == FUSED:
            maker = makers.get(node.inputs[0])
            node.attributes["inplace"] = bool(done_with) and maker is not None and maker.op == "Conv"
        steps.append(_Step(OPERATIONS[node.op], node, tuple(done_with)))
    return steps[::-1]
