"""The device seam: what gets there, and which GPU is trusted. GPUs are played by a fake torch.cuda; none is here."""

import logging

import numpy as np
import pytest
import torch
from torch import nn

from entrypoint.errors import ResourceError
from entrypoint.host import device as device_module
from entrypoint.host.device import Device, choose_devices, convolution_fault
from entrypoint.log import LOG

CPU = Device(torch.device("cpu"))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=["planes", "pixels"])
def test_upload_gives_rgb_from_0_to_1(layout: torch.memory_format) -> None:
    image = np.zeros((2, 3, 3), np.uint8)
    image[..., 0], image[0, 0, 2] = 255, 51  # blue everywhere, some red in a corner
    pixels = CPU.upload([image, image], layout)
    assert pixels.is_contiguous(memory_format=layout)
    assert pixels.shape == (2, 3, 2, 3) and pixels.dtype == torch.float32
    assert pixels[1, 2].min() == 1 and pixels[1, 1].max() == 0
    assert pixels[1, 0, 0, 0] == pytest.approx(0.2) and pixels[1, 0].sum() == pytest.approx(0.2)


def test_upload_divides_by_255_to_the_last_bit() -> None:
    every = np.arange(256, dtype=np.uint8).reshape(16, 16)[..., None].repeat(3, 2)
    expected = torch.arange(256).view(16, 16).float().div(255)
    for layout in (torch.contiguous_format, torch.channels_last):
        assert torch.equal(CPU.upload([every], layout)[0, 1], expected)


@pytest.mark.parametrize(("wanted", "half"), [("cpu", False), ("cpu", True), ("", True)])
def test_without_a_gpu_the_cpu_runs_in_full_precision(wanted: str, half: bool) -> None:
    if not wanted and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    (device,) = choose_devices(wanted, half)
    assert (device.on_gpu, device.dtype) == (False, torch.float32)
    assert device.description == "cpu (CPU, FP32)"


@pytest.mark.parametrize("wanted", ["99", "cuda:99", "gpu", "0,1", "-1", "0,0", "0,", "cpu,cpu"])
def test_a_device_that_is_not_there_names_the_flag(wanted: str) -> None:
    with pytest.raises(ResourceError, match="--gpus all"):
        choose_devices(wanted, half=False)


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    """What is logged."""
    monkeypatch.setattr(LOG, "propagate", True)
    caplog.set_level(logging.INFO, "yolo-bac")
    return caplog


def play_a_gpu(
    monkeypatch: pytest.MonkeyPatch,
    *capabilities: tuple[int, int],
    archs: str = "sm_75 sm_80 sm_90 sm_120 compute_120",
) -> None:
    """Make torch.cuda show these GPUs; their convolutions are done by the CPU."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(capabilities))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capabilities[device.index])
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Tesla P4")
    monkeypatch.setattr(torch.cuda, "get_arch_list", archs.split)
    monkeypatch.setattr(device_module, "convolution_fault", lambda device: convolution_fault(Device(CPU.torch_device)))


@pytest.mark.parametrize("capability", [(7, 5), (8, 0), (8, 9), (9, 0), (12, 0), (13, 0)])
def test_a_gpu_that_this_pytorch_has_code_for_is_taken(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int]
) -> None:
    play_a_gpu(monkeypatch, capability)
    assert choose_devices("", half=True) == [Device(torch.device("cuda:0"), half=True)]


def test_all_gpus_that_work_are_taken_or_those_asked_for(
    monkeypatch: pytest.MonkeyPatch, said: pytest.LogCaptureFixture
) -> None:
    play_a_gpu(monkeypatch, (8, 0), (6, 1), (9, 0))
    gpus = [Device(torch.device("cuda", number)) for number in range(3)]
    assert choose_devices("", half=False) == [gpus[0], gpus[2]]
    assert "compute capability 6.1" in said.text and "the other GPUs run without it" in said.text
    assert choose_devices("2,0", half=False) == [gpus[2], gpus[0]]
    assert choose_devices("cuda:2", half=False) == [gpus[2]]
    with pytest.raises(ResourceError, match=r"--device 0,1: Tesla P4 has compute capability 6\.1"):
        choose_devices("0,1", half=False)


@pytest.mark.parametrize("capability", [(6, 1), (7, 0), (10, 0)])
def test_a_gpu_without_code_gives_way_to_the_cpu_with_a_warning(
    monkeypatch: pytest.MonkeyPatch, said: pytest.LogCaptureFixture, capability: tuple[int, int]
) -> None:
    play_a_gpu(monkeypatch, capability)
    assert choose_devices("", half=False) == [CPU]
    assert f"Tesla P4 has compute capability {capability[0]}.{capability[1]}" in said.text
    assert said.records[-1].levelno == logging.WARNING
    with pytest.raises(ResourceError, match="use another GPU, or --device cpu"):
        choose_devices("0", half=False)


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
    monkeypatch: pytest.MonkeyPatch, said: pytest.LogCaptureFixture, convolve: object, complaint: str
) -> None:
    play_a_gpu(monkeypatch, (8, 0))
    honest, calls = nn.functional.conv2d, iter((convolve, nn.functional.conv2d))
    monkeypatch.setattr(nn.functional, "conv2d", lambda *args, **kwargs: next(calls)(*args, **kwargs))  # type: ignore[operator]
    assert choose_devices("", half=False) == [CPU]
    assert complaint in said.text
    monkeypatch.setattr(nn.functional, "conv2d", honest)
    assert choose_devices("", half=False)[0].on_gpu


def test_the_cpu_convolves() -> None:
    assert convolution_fault(CPU) is None


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_in_sight_that_cuda_does_not_see_is_said_loudly(
    monkeypatch: pytest.MonkeyPatch, said: pytest.LogCaptureFixture, tmp_path: object
) -> None:
    assert choose_devices("", half=False) == [CPU]
    assert said.records[-1].levelno == logging.INFO
    monkeypatch.setattr(device_module, "_GPU_SIGNS", (tmp_path,))
    assert choose_devices("", half=False) == [CPU]
    assert said.records[-1].levelno == logging.WARNING
    assert str(tmp_path) in said.text


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
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda _: None)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: 2_000)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda _: 2_050)
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 2_000 + cached)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free, 80_000))
    tried: list[int] = []
    assert Device(torch.device("cuda:0")).batch_size(lambda: tried.append(1), 32, 2) == batch
    assert tried == [1]
    assert CPU.batch_size(lambda: tried.append(2), 1, 1) == 1 and tried == [1]
