"""Each faster way on a GPU gives what the plain way gives; one that does not gives way, and that is said once.

A GPU's part is played by the CPU, and CUDA's recorder by functions.
"""

import logging
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from entrypoint.engines import recording
from entrypoint.engines.ongpu import JointCells, OnGpu
from entrypoint.engines.recording import Compute, Recorder, Recordings
from entrypoint.engines.shortcut import difference
from entrypoint.engines.torch import TorchEngine
from entrypoint.engines.upload import Uploader
from entrypoint.host.device import CPU
from entrypoint.log import LOG
from entrypoint.sources.samples import DEMO_WEIGHTS
from entrypoint.weights.classic.checkpoint import load_checkpoint

Warnings = Callable[[], list[str]]


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Warnings:
    """What was warned of so far."""
    monkeypatch.setattr(LOG, "propagate", True)
    caplog.set_level(logging.WARNING, "yolo-bac")
    return lambda: [entry.getMessage() for entry in caplog.records]


def images(count: int, seed: int = 0) -> list[NDArray[np.uint8]]:
    return list(np.random.default_rng(seed).integers(0, 256, (count, 64, 96, 3), np.uint8))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_one_kernel_gives_the_pixels_of_several_to_the_last_bit(dtype: torch.dtype, warnings: Warnings) -> None:
    upload = Uploader(torch.device("cpu"), dtype)
    for batch in (images(3), images(1, seed=1)):
        found, plain = upload(batch), upload.plain(batch)
        assert torch.equal(found, plain) and found.dtype == dtype
        assert torch.equal(upload.fast(batch), plain)
        assert upload.fast(batch).is_contiguous(memory_format=torch.channels_last)
    assert not warnings()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda pixels: pixels.flip(1),  # blue for red
        lambda pixels: pixels * 255,
        lambda pixels: pixels[:1],
        lambda pixels: (_ for _ in ()).throw(RuntimeError("no such kernel")),
    ],
    ids=["channels", "scale", "shape", "raises"],
)
def test_pixels_that_are_converted_wrongly_are_converted_plainly(
    wrong: Callable[[Tensor], Tensor], monkeypatch: pytest.MonkeyPatch, warnings: Warnings
) -> None:
    honest = Uploader.fast
    monkeypatch.setattr(Uploader, "fast", lambda self, batch: wrong(honest(self, batch)))
    upload = Uploader(torch.device("cpu"), torch.float32)
    for seed in range(3):
        assert torch.equal(upload(images(2, seed)), upload.plain(images(2, seed)))
    (said,) = warnings()
    assert "conversion of pixels in one kernel is left out" in said


def maps(seed: int, count: int = 2) -> list[Tensor]:
    """Three levels of a head with three anchors and four classes, in both layouts that engines give."""
    torch.manual_seed(seed)
    levels = [torch.randn(count, 27, side, side + 1) for side in (8, 4, 2)]
    return [levels[0].contiguous(memory_format=torch.channels_last), *levels[1:]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("least", [-9.0, 0.5, 2.0, 99.0], ids=["all", "many", "some", "none"])
def test_candidates_taken_together_are_those_of_each_level(dtype: torch.dtype, least: float) -> None:
    levels = [level.to(dtype) for level in maps(0)]
    together = JointCells().fast(levels, 3, 4, least)
    for found, level in zip(together, levels, strict=True):
        for ours, theirs in zip(found, OnGpu(level).cells_above(3, 4, least), strict=True):
            assert np.asarray(ours).dtype == np.asarray(theirs).dtype
            np.testing.assert_array_equal(ours, theirs)


def test_candidates_that_are_not_the_same_are_taken_level_by_level(
    monkeypatch: pytest.MonkeyPatch, warnings: Warnings
) -> None:
    honest = JointCells.fast

    def wrong(self: JointCells, levels: Sequence[Tensor], *how: Any) -> Any:
        (image, *rest), *others = honest(self, levels, *how)
        return [(image[::-1], *rest), *others]

    monkeypatch.setattr(JointCells, "fast", wrong)
    joint = JointCells()
    for seed in range(3):
        levels = [OnGpu(level, joint) for level in maps(seed)]
        for found, level in zip(levels[0].cells_of_each(levels, 3, 4, 1.0), levels, strict=True):
            for ours, theirs in zip(found, level.cells_above(3, 4, 1.0), strict=True):
                np.testing.assert_array_equal(ours, theirs)
    (said,) = warnings()
    assert "all candidates of a batch in one copy is left out" in said


def honest(compute: Compute, pixels: Tensor, lane: Hashable) -> Compute:
    """A recorder as CUDA's: pixels are copied to where the recording reads them, and gives the same tensors."""
    taken = torch.zeros_like(pixels)
    outputs = compute(taken)

    def replay(pixels: Tensor) -> list[Tensor]:
        taken.copy_(pixels)
        for output, value in zip(outputs, compute(taken), strict=True):
            output.copy_(value)
        return outputs

    return replay


def stale(compute: Compute, pixels: Tensor, lane: Hashable) -> Compute:
    outputs = compute(torch.zeros_like(pixels))
    return lambda pixels: outputs


def off(compute: Compute, pixels: Tensor, lane: Hashable) -> Compute:
    return lambda pixels: [output + 1 for output in compute(pixels)]


def refused(compute: Compute, pixels: Tensor, lane: Hashable) -> Compute:
    raise RuntimeError("operation not permitted when stream is capturing\nmore lines")


def run(record: Recorder, batches: int = 8) -> list[list[Tensor]]:
    """The outputs for so many batches of an engine that records, checked against one that does not."""
    graph = load_checkpoint(DEMO_WEIGHTS).graph
    plain, fast = TorchEngine(graph, CPU), TorchEngine(graph, CPU, record)
    found = []
    for seed in range(batches):
        pixels = plain.upload(images(2, seed))
        ours, theirs = fast.run(pixels), plain.run(pixels)
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(np.asarray(one), np.asarray(other), atol=1e-4)
        found.append([torch.from_numpy(np.array(one)) for one in ours])
    return found


def test_recorded_batches_give_what_computed_ones_give(warnings: Warnings) -> None:
    replayed = []

    def noticing(compute: Compute, pixels: Tensor, lane: Hashable) -> Compute:
        replay = honest(compute, pixels, lane)

        def counting(pixels: Tensor) -> list[Tensor]:
            replayed.append(1)
            return replay(pixels)

        return counting

    found = run(noticing)
    assert len(replayed) == 1 + 4  # the trial, and those after the four that were computed
    assert difference(found[-1], found[-2]) is not None
    assert not warnings()


@pytest.mark.parametrize("record", [stale, off, refused])
def test_a_recording_that_is_wrong_is_left_out(record: Recorder, warnings: Warnings) -> None:
    run(record)
    (said,) = warnings()
    assert "replaying recorded batches is left out" in said and "more lines" not in said


def test_without_memory_for_a_recording_batches_are_computed(warnings: Warnings) -> None:
    tries = []

    def full(compute: Compute, pixels: Tensor, lane: Hashable) -> Compute:
        tries.append(1)
        raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB")

    run(full, batches=12)
    assert len(tries) == 1 and not warnings()


def test_so_many_shapes_are_recorded_and_the_others_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "_MOST", 2)
    recorded = []

    def noticing(compute: Compute, pixels: Tensor, lane: Hashable) -> Compute:
        recorded.append((tuple(pixels.shape), lane))
        return honest(compute, pixels, lane)

    recordings = Recordings(lambda pixels: [pixels * 2], noticing)
    for lane in ("a", "b"):
        for size in (1, 2, 3):
            for number in range(6):
                pixels = torch.full((size, 3, 2, 2), float(number))
                assert torch.equal(recordings.run(pixels, lane)[0], pixels * 2)
    assert recorded == [((1, 3, 2, 2), "a"), ((2, 3, 2, 2), "a")]
    recordings.forget()
    assert torch.equal(recordings.run(torch.ones(1, 3, 2, 2), "a")[0], torch.full((1, 3, 2, 2), 2.0))


@pytest.mark.parametrize(
    ("change", "is_alike"),
    [
        (lambda x: x + 1e-3, True),
        (lambda x: x + 1, False),
        (lambda x: x.roll(1), False),
        (lambda x: torch.where(x > 2, torch.nan, x), False),
        (lambda x: x[:1], False),
    ],
    ids=["rounded", "shifted", "moved", "not finite", "shape"],
)
def test_what_is_alike_differs_by_rounding_alone(change: Callable[[Tensor], Tensor], is_alike: bool) -> None:
    torch.manual_seed(0)
    values = torch.randn(2, 1000)
    assert (difference([change(values)], [values]) is None) == is_alike
    broken = torch.where(values > 1, torch.inf, values)
    assert difference([broken], [broken]) is None
