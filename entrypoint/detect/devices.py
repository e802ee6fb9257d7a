"""Which devices the settings ask for."""

from entrypoint.errors import UsageError
from entrypoint.host.device import Device, choose_devices
from entrypoint.settings import Settings


def devices_for(settings: Settings) -> list[Device]:
    """The devices to load a network on. Raises UsageError for an engine that the device has not; ResourceError."""
    if settings.engine != "onnx":
        return choose_devices(settings.device, settings.half)
    if settings.device.strip().lower() not in ("", "cpu"):
        raise UsageError(f"--engine onnx runs on the CPU, not with --device {settings.device}: leave one of them out")
    return choose_devices("cpu", settings.half)
