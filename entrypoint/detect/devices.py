"""The devices of a run, as its settings ask for them."""

from entrypoint.errors import UsageError
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
