"""Runs of a network that are recorded as CUDA graphs: all kernels of a batch are then started by one call.

A recording is of one shape of batch, on one stream. What it gives holds until the same thread runs the next batch:
recordings of a stream share their memory.
"""

import threading
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import torch
from torch import Tensor

from entrypoint.engines.shortcut import Shortcut, difference
from entrypoint.host.memory import is_out_of_memory

Compute: TypeAlias = Callable[[Tensor], list[Tensor]]
Recorder: TypeAlias = Callable[[Compute, Tensor, Hashable], Compute]
"""Gives what computes the same for further pixels of that shape, on that lane."""

_WORTH_AFTER = 4  # batches of one shape: to record one takes as long as dozens of batches
_MOST = 16  # recordings, of which each holds what its outputs take
_recording = threading.Lock()


class Recordings:
    """Those of one engine. Several threads may run at once, each on a lane of its own."""

    def __init__(self, compute: Compute, record: Recorder) -> None:
        self._compute, self._record = compute, record
        self._shortcut = Shortcut("replaying recorded batches")
        self._seen: Counter[Hashable] = Counter()
        self._kept: dict[Hashable, Compute] = {}
        self._most = _MOST
        self._of_thread = threading.local()

    def run(self, pixels: Tensor, lane: Hashable) -> list[Tensor]:
        """The outputs for a batch; the one after which it is worth it is recorded beside."""
        key = lane, tuple(pixels.shape)
        replay = self._kept.get(key)
        if replay is not None and not self._shortcut.is_closed:
            self._of_thread.running = replay  # it stays as long as a kernel of it may run
            return replay(pixels)
        found = self._compute(pixels)
        self._seen[key] += 1
        if self._seen[key] == _WORTH_AFTER and len(self._kept) < self._most and not self._shortcut.is_closed:
            self._try(key, lane, pixels, found)
        return found

    def forget(self) -> None:
        """Give their memory back; as it is scarce, none are made any more."""
        self._most = 0
        self._kept.clear()

    def _try(self, key: Hashable, lane: Hashable, pixels: Tensor, expected: list[Tensor]) -> None:
        def recorded() -> tuple[Compute, list[Tensor]]:
            replay = self._record(self._compute, pixels, lane)
            return replay, replay(pixels)

        try:
            with _recording:
                tried = self._shortcut.attempt(recorded, lambda pair: difference(pair[1], expected))
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            self.forget()  # the batch itself has been computed
            return
        if tried:
            self._kept[key] = tried[0]


class CudaGraphs:
    """Records on a GPU, with the kernels that are fastest for the shape; a pool of memory for each lane."""

    def __init__(self) -> None:
        self._pools: dict[Hashable, Any] = {}

    def __call__(self, compute: Compute, pixels: Tensor, lane: Hashable) -> Compute:
        # Not the batch itself: so the trial of the first replay also tells whether it takes new pixels in.
        taken = torch.zeros_like(pixels)
        graph, pool = torch.cuda.CUDAGraph(), self._pools.setdefault(lane, torch.cuda.graph_pool_handle())
        # The default stream, which a thread without a lane works on, cannot be recorded.
        stream = torch.cuda.Stream(pixels.device)  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream(pixels.device))
        with _fastest_kernels(), torch.cuda.stream(stream):
            for _ in range(2):
                compute(taken)
            # Other threads go on allocating memory meanwhile.
            with torch.cuda.graph(graph, pool=pool, stream=stream, capture_error_mode="thread_local"):
                outputs = compute(taken)
        torch.cuda.current_stream(pixels.device).wait_stream(stream)

        def replay(pixels: Tensor) -> list[Tensor]:
            taken.copy_(pixels)
            graph.replay()
            return outputs

        return replay


@contextmanager
def _fastest_kernels() -> Iterator[None]:
    """CuDNN tries its kernels for each convolution that it meets for the first time."""
    before, torch.backends.cudnn.benchmark = torch.backends.cudnn.benchmark, True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before
