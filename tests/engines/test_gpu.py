"""What a GPU gets, and which one is trusted. GPUs are played by a fake torch.cuda; none is here."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from entrypoint.engines import gpu as gpu_module
from entrypoint.engines.base import interleaved, planes
from entrypoint.engines.gpu import convolution_fault, fault
from entrypoint.engines.torch import TorchEngine
from entrypoint.host.cuda import Gpu
from entrypoint.host.device import CPU, Device
from entrypoint.models.graph import PIXELS, Graph


@pytest.mark.parametrize("upload", [planes, interleaved])
def test_upload_gives_rgb_from_0_to_1(upload: object) -> None:
    image = np.zeros((2, 3, 3), np.uint8)
    image[..., 0], image[0, 0, 2] = 255, 51  # blue everywhere, some red in a corner
    pixels = upload([image, image])  # type: ignore[operator]
    assert pixels.shape == (2, 3, 2, 3) and pixels.dtype == np.float32
    assert (pixels if upload is planes else pixels.transpose(0, 2, 3, 1)).flags.c_contiguous
    assert pixels[1, 2].min() == 1 and pixels[1, 1].max() == 0
    assert pixels[1, 0, 0, 0] == pytest.approx(0.2) and pixels[1, 0].sum() == pytest.approx(0.2)


def test_upload_divides_by_255_to_the_last_bit() -> None:
    every = np.arange(256, dtype=np.uint8).reshape(16, 16)[..., None].repeat(3, 2)
    expected = torch.arange(256).view(16, 16).float().div(255).numpy()
    for upload in (planes, interleaved):
        np.testing.assert_array_equal(upload([every])[0, 1], expected)


def play(monkeypatch: pytest.MonkeyPatch, archs: str = "sm_75 sm_80 sm_90 sm_120 compute_120") -> None:
    """Make torch.cuda be there; its convolutions are done by the CPU."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_arch_list", archs.split)
    monkeypatch.setattr(gpu_module, "convolution_fault", lambda device: convolution_fault(CPU))


def device(*capability: int) -> Device:
    return Device(0, Gpu("Tesla P4", 8 << 30, (capability[0], capability[1])))


@pytest.mark.parametrize("capability", [(7, 5), (8, 0), (8, 9), (9, 0), (12, 0), (13, 0)])
def test_a_gpu_that_this_pytorch_has_code_for_is_taken(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int]
) -> None:
    play(monkeypatch)
    assert fault(device(*capability)) is None


@pytest.mark.parametrize("capability", [(6, 1), (7, 0), (10, 0)])
def test_a_gpu_without_code_is_not(monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int]) -> None:
    play(monkeypatch)
    words = f"Tesla P4 has compute capability {capability[0]}.{capability[1]}"
    assert str(fault(device(*capability))).startswith(words)


def test_a_pytorch_that_sees_no_gpu_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "does not see a CUDA device" in str(fault(device(9, 0)))


@pytest.mark.parametrize(
    ("convolve", "complaint"),
    [
        (lambda x, *_, **__: (_ for _ in ()).throw(RuntimeError("CUDA error: no kernel image")), "no kernel image"),
        (lambda x, *_, **__: x.new_full((1, 4, 8, 8), float("nan")), "computes wrongly"),
        (lambda x, *_, **__: x.new_zeros((1, 4, 8, 8)), "computes wrongly"),
    ],
    ids=["raises", "nan", "wrong"],
)
def test_a_gpu_that_does_not_convolve_is_not_trusted(
    monkeypatch: pytest.MonkeyPatch, convolve: object, complaint: str
) -> None:
    play(monkeypatch)
    honest = functional.conv2d
    calls = iter((convolve, honest))
    monkeypatch.setattr(functional, "conv2d", lambda *args, **kwargs: next(calls)(*args, **kwargs))  # type: ignore[operator]
    assert complaint in str(fault(device(8, 0)))
    monkeypatch.setattr(functional, "conv2d", honest)
    assert fault(device(8, 0)) is None


def test_the_cpu_convolves() -> None:
    assert convolution_fault(CPU) is None


@pytest.mark.parametrize(
    ("free", "cached", "batch"),
    [
        (10_000, 0, 32),  # more than enough
        (1_000, 0, 8),  # two batches, 50 each, a fifth left free
        (500, 500, 8),  # PyTorch's own cache counts as free
        (50, 0, 1),  # the detector halves, and a single image fails alone
    ],
)
def test_the_batch_is_what_fits_into_free_gpu_memory(
    monkeypatch: pytest.MonkeyPatch, free: int, cached: int, batch: int
) -> None:
    for name in ("reset_peak_memory_stats", "synchronize"):
        monkeypatch.setattr(torch.cuda, name, lambda _: None)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: 2_000)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda _: 2_050)
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 2_000 + cached)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free, 80_000))
    tried: list[int] = []
    graph = Graph({PIXELS: ("batch", 3, "height", "width")}, outputs=[PIXELS])
    assert TorchEngine(graph, device(8, 0)).batch_size(lambda: tried.append(1), 32, 2) == batch
    assert tried == [1]
    assert TorchEngine(graph, CPU).held_by_others() == ""
    assert TorchEngine(graph, CPU).batch_size(lambda: tried.append(2), 1, 1) == 1 and tried == [1]


@pytest.mark.parametrize(
    ("free", "said"),
    [(12 << 30, ""), (2 << 30, "other processes hold 9.9 of its 17.2 GB")],
    ids=["ours alone", "others, too"],
)
def test_memory_that_other_processes_hold_is_told(monkeypatch: pytest.MonkeyPatch, free: int, said: str) -> None:
    monkeypatch.setattr(torch.cuda, "synchronize", lambda _: None)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free, 16 << 30))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 4 << 30)
    graph = Graph({PIXELS: ("batch", 3, "height", "width")}, outputs=[PIXELS])
    assert TorchEngine(graph, device(8, 0)).held_by_others() == said
