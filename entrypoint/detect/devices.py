"""The devices of a run, as its settings ask for them."""

import threading
from contextlib import suppress

from entrypoint.errors import UsageError
from entrypoint.host.cuda import NoGpuError, gpus
from entrypoint.host.device import Device, choose_devices
from entrypoint.settings import Settings


def devices_for(settings: Settings) -> list[Device]:
    """Raises UsageError where engine and device contradict each other, ResourceError for a device that is not there."""
    if settings.engine != "onnx":
        return choose_devices(settings.device, settings.half, _fault)
    if settings.device.strip().lower() not in ("", "cpu"):
        raise UsageError(f"--engine onnx runs on the CPU, not with --device {settings.device}: leave one of them out")
    return choose_devices("cpu", settings.half, _fault)


def _fault(device: Device) -> str | None:
    try:
        from entrypoint.engines.gpu import fault
    except ImportError as error:
        return f"{device.description} is of no use without PyTorch, which is not here ({error})"
    return fault(device)


def may_use_gpu(settings: Settings) -> bool:
    """Return whether there is a GPU, and the settings leave it to be used."""
    if settings.engine == "onnx" or settings.device.strip().lower() == "cpu":
        return False
    try:
        return bool(gpus())
    except NoGpuError:
        return False


def import_ahead() -> threading.Thread:
    """Import PyTorch on a thread, which takes seconds; whoever needs it waits for it."""
    thread = threading.Thread(target=_import_torch, name="import-torch", daemon=True)
    thread.start()
    return thread


def _import_torch() -> None:
    with suppress(Exception):  # whoever needs it will say what is wrong with it
        import torch  # noqa: F401
