"""How long the job around the network holds Python's lock: with a GPU, that bounds what one process can do.

What releases the lock while it works is known by name: OpenCV's functions, the system's calls, hashing and ONNX
Runtime, which has NMS. Their time, and that of what a GPU does instead (the network, replayed here, and the search for
candidates in its outputs), is taken from the processor time of all threads; what is left is an upper bound of the time
for which the lock is held.
"""

import gc
import hashlib
import os
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import click
import cv2
import numpy as np
import onnxruntime

from entrypoint.detect.detector import Detector
from entrypoint.models import network
from scripts.benchmark.clock import Span
from scripts.benchmark.engines import Replay
from scripts.benchmark.workload import Workload

_BATCH, _LANES = 32, 2
_RELEASING: dict[Any, tuple[str, ...]] = {
    cv2: tuple("imdecode imencode resize copyMakeBorder split cvtColor putText rectangle".split()),
    hashlib: ("sha256",),
    onnxruntime.InferenceSession: ("run",),
    os: tuple("open close write read pread link rename mkdir stat fstat fchmod fdatasync unlink posix_fadvise".split()),
    np: ("divide",),
    network: ("cells_above",),
}


def measure(work: Workload, detector: Detector, rounds: int) -> dict[str, Any]:
    """Milliseconds an image, in batches as on a GPU; `detector` has a network that is replayed."""
    work = replace(work, loaded=replace(work.loaded, batch_size=_BATCH))
    lanes = (detector,) * _LANES
    work.job(lanes=lanes)  # what it replays from now on
    gc.collect()
    gc.freeze()  # as a job does once everything is imported
    try:
        figures = {}
        click.echo(f"\nPython's lock, in batches of {_BATCH} without network: ms an image for which it may be held")
        for name, nosave in (("annotated images", False), ("--nosave", True)):
            held = [_held(work, lanes, nosave) for _ in range(rounds)]
            figures[name] = {"ms": statistics.median(held), "rounds": held}
            click.echo(f"  {name:20}{figures[name]['ms']:8.2f}   {' '.join(f'{one:.2f}' for one in held)}")
        return figures
    finally:
        gc.unfreeze()


def _held(work: Workload, lanes: tuple[Detector, ...], nosave: bool) -> float:
    with Outside().counted() as outside:
        span = work.job(lanes=lanes, nosave=nosave)
    return outside.of(span, len(work.media))


class Outside:
    """Processor time, of all threads, spent where the lock is not held."""

    def __init__(self) -> None:
        self._lock, self._seconds, self._of_thread = threading.Lock(), 0.0, threading.local()

    @contextmanager
    def counted(self) -> Iterator["Outside"]:
        """For the time of the block."""
        places = [(module, name) for module, names in _RELEASING.items() for name in names]
        places += [(Replay, "run"), (Replay, "upload")]
        before = [getattr(place, name) for place, name in places]
        for (place, name), function in zip(places, before, strict=True):
            setattr(place, name, self._timed(function))
        try:
            yield self
        finally:
            for (place, name), function in zip(places, before, strict=True):
                setattr(place, name, function)

    def of(self, span: Span, images: int) -> float:
        """Milliseconds an image for which the lock may be held, in a job that took so much an image."""
        return span.cpu - self._seconds * 1e3 / images

    def _timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def around(*args: Any, **more: Any) -> Any:
            if getattr(self._of_thread, "is_inside", False):  # counted by whoever called it
                return function(*args, **more)
            self._of_thread.is_inside, began = True, time.thread_time()
            try:
                return function(*args, **more)
            finally:
                taken = time.thread_time() - began
                self._of_thread.is_inside = False
                with self._lock:
                    self._seconds += taken

        return around
