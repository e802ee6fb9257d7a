"""PyTorch is imported early where a GPU is there to be used, and nowhere else. GPUs are played; none is here."""

import pytest

from entrypoint.detect import devices
from entrypoint.detect.devices import import_ahead, may_use_gpu
from entrypoint.host.cuda import Gpu, NoGpuError
from entrypoint.settings import Settings


def play(monkeypatch: pytest.MonkeyPatch, *, is_there: bool) -> list[str]:
    """A GPU, or none; and what is imported."""
    imported: list[str] = []

    def gpus() -> list[Gpu]:
        if not is_there:
            raise NoGpuError("none")
        return [Gpu("Tesla P4", 8 << 30, (6, 1))]

    monkeypatch.setattr(devices, "gpus", gpus)
    monkeypatch.setattr(devices, "_import_torch", lambda: imported.append("torch"))
    return imported


@pytest.mark.parametrize("device", ["", "0"])
def test_pytorch_is_imported_beside_the_rest_where_a_gpu_is_there(monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    imported = play(monkeypatch, is_there=True)
    assert may_use_gpu(Settings(device=device))
    import_ahead().join()
    assert imported == ["torch"]


@pytest.mark.parametrize(
    ("settings", "is_there"),
    [(Settings(), False), (Settings(device="cpu"), True), (Settings(engine="onnx"), True)],
    ids=["no GPU", "on the CPU", "ONNX Runtime"],
)
def test_it_is_not_where_no_gpu_is_to_be_used(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, is_there: bool
) -> None:
    play(monkeypatch, is_there=is_there)
    assert not may_use_gpu(settings)
