"""Which engine computes a network: the one asked for, or the first that passes its trial."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from entrypoint.detect.detector import Detector, DetectorOptions
from entrypoint.detect.nms import NmsOptions
from entrypoint.detect.precision import Trial
from entrypoint.engines.base import Engine, disagreement, planes, trial_image
from entrypoint.errors import NotADetectorError, ResourceError, UsageError, WeightsError
from entrypoint.host import limits, memory
from entrypoint.host.device import CPU, Device
from entrypoint.host.memory import is_out_of_memory
from entrypoint.log import LOG
from entrypoint.models.exported import Exported
from entrypoint.models.network import Network, Output
from entrypoint.settings import Settings
from entrypoint.sources.medium import Medium

if TYPE_CHECKING:
    from entrypoint.engines.torch import TorchEngine

_MOST_DIFFERENCE = 0.01  # between engines, of logits
_MOST_ON_GPU = 0.5  # where convolutions may round their inputs to 10 bits
_NO_PYTORCH = "PyTorch is not here; the image for GPUs has it"


def cpu_engine(network: Network, settings: Settings, threads: int) -> Engine:
    """ONNX Runtime, where it computes what the network is; else, or where asked for, PyTorch.

    Raises UsageError where the engine that is asked for cannot be had, ResourceError where none can, WeightsError for a
    network that gives no finite numbers, and what says that memory is out.
    """
    if network.script is not None:
        return _script_engine(network, network.script, settings, threads)
    if settings.engine == "torch":
        try:
            return _torch_on_cpu(network, threads)
        except _UnusableError as error:
            raise UsageError(f"--engine torch: {error}; use --engine onnx") from error
    try:
        from entrypoint.engines.onnx import OnnxEngine

        expected = _expected(network)
        # Lanes of several threads share the helpers of one pool, so it has all.
        engine = OnnxEngine(network.graph, 1 if threads == 1 else limits.threads())
        fault = _fault(engine, network, expected, _MOST_DIFFERENCE)
    except ImportError as error:
        if is_out_of_memory(error):
            raise
        fault = f"it is not here ({error})"
    except WeightsError:
        raise
    except Exception as error:
        if is_out_of_memory(error):  # where PyTorch would need more
            raise
        fault = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
    if not fault:
        return engine
    if settings.engine == "onnx":
        raise UsageError(f"--engine onnx does not run these weights: {fault}; use --engine torch")
    try:
        replacement = _torch_on_cpu(network, threads)
    except _UnusableError as error:
        raise ResourceError(f"ONNX Runtime does not run these weights: {fault}; and {error}") from error
    LOG.info("running in PyTorch, for ONNX Runtime does not run these weights: %s", fault)
    return replacement


def _script_engine(network: Network, script: bytes, settings: Settings, threads: int) -> Engine:
    """PyTorch, for a TorchScript file: nothing else runs one."""
    if settings.engine == "onnx":
        raise UsageError("--engine onnx does not run TorchScript weights; leave it out, or bring an ONNX export")
    memory.require(memory.PYTORCH_BYTES, "PyTorch")
    try:
        from entrypoint.engines.script import ScriptEngine
    except ImportError as error:
        raise WeightsError(
            f"a TorchScript file runs in PyTorch alone. {_NO_PYTORCH}; or bring the .pt file that was exported, or an "
            "ONNX export"
        ) from error
    try:
        engine = ScriptEngine(script)
        engine.set_threads(threads)
        _require_finite(network, engine.run(engine.upload(_trial_images(network))))
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise
        raise WeightsError(f"PyTorch does not run this TorchScript file: {str(error).splitlines()[0][:200]}") from error
    return engine


class _UnusableError(Exception):
    """PyTorch cannot be had, or not for a network; the message says why."""


def _torch_on_cpu(network: Network, threads: int) -> Engine:
    memory.require(memory.PYTORCH_BYTES, "PyTorch")
    try:
        import entrypoint.engines.torch  # noqa: F401
    except ImportError as error:
        raise _UnusableError(_NO_PYTORCH) from error
    engine, fault = _tried(network, CPU, threads)
    if engine is None:
        raise _UnusableError(fault)
    if fault:
        raise ResourceError(f"PyTorch does not run these weights: {fault}")
    return engine


def _tried(network: Network, device: Device, threads: int) -> tuple["TorchEngine | None", str | None]:
    """Return PyTorch's engine for a network, None where it lacks what the network needs, and what is wrong with it."""
    from entrypoint.engines.operations import UnknownOperationError
    from entrypoint.engines.torch import TorchEngine

    try:
        engine = TorchEngine(network.graph, device)
        engine.set_threads(threads)
        return engine, engine_fault(engine, network)
    except UnknownOperationError as error:
        return None, str(error)
    except (TypeError, ValueError, LookupError, AttributeError, RuntimeError) as error:
        if not isinstance(network, Exported) or is_out_of_memory(error):
            raise
        return None, f"PyTorch does not compute this export: {str(error).splitlines()[0][:100]}"


def _expected(network: Network) -> list[np.ndarray]:
    """What the graph gives for a small image as it stands, every optimisation off. Raises WeightsError."""
    from entrypoint.engines.onnx import OnnxEngine

    found = OnnxEngine(network.graph, 1, optimised=False).run(planes(_trial_images(network)))
    _require_finite(network, found)
    return found


def engine_fault(engine: Engine, network: Network) -> str | None:
    """How an engine on any device does not give what ONNX Runtime gives for a small image; None for no difference.

    Where ONNX Runtime is not here, or does not run the network, it is held to PyTorch on the CPU. Raises WeightsError
    for a network that gives no finite numbers.
    """
    most = _MOST_ON_GPU if engine.device.on_gpu else _MOST_DIFFERENCE
    return _fault(engine, network, _reference(network), most)


def _reference(network: Network) -> Sequence[Output]:
    try:
        return _expected(network)
    except WeightsError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
    from entrypoint.engines.torch import TorchEngine

    found = TorchEngine(network.graph, CPU).run(planes(_trial_images(network)))
    _require_finite(network, found)
    return found


def _fault(engine: Engine, network: Network, expected: Sequence[Output], most: float) -> str | None:
    """How an engine's outputs for a small image are not those expected."""
    found = engine.run(engine.upload(_trial_images(network)))
    return disagreement(found, expected, most * network.tolerance)


def _trial_images(network: Network) -> list[np.ndarray]:
    return [trial_image(network.graph, network.stride, network.trial)] * (network.batch or 1)


def _require_finite(network: Network, outputs: Sequence[Output]) -> None:
    if not all(np.isfinite(np.asarray(output)).all() for output in outputs):
        raise WeightsError(
            "the network gives values that are no finite numbers even for a small image: its training diverged, or the "
            "file is damaged"
        )
    if fault := network.fault(outputs):
        raise NotADetectorError(f"the network {fault}")


def gpu_fault(network: Network, device: Device, settings: Settings) -> str | None:
    """Why a GPU is not to compute a network; None for no reason. Raises ResourceError where it was asked for by number,
    and WeightsError for a network that gives no finite numbers.
    """
    if network.script is not None:
        fault: str | None = "a TorchScript file runs on the CPU alone; bring the .pt file, or an ONNX export"
    else:
        _, fault = _tried(network, replace(device, half=False), 1)
        if fault and isinstance(network, Exported):
            fault += "; bring the .pt file that it was exported from, or export it without NMS"
    if fault and settings.device.strip():
        raise ResourceError(f"--device {settings.device}: {fault}; or use another GPU, or --device cpu")
    return fault


def gpu_engines(
    network: Network, devices: Sequence[Device], options: DetectorOptions, media: Sequence[Medium]
) -> list[Engine]:
    """The network on each device, in half precision where that is asked for and shows no fault."""
    from entrypoint.engines.torch import TorchEngine

    if devices[0].half:
        fitting = _half_engines(network, devices, replace(options, nms=NmsOptions()), media)
        if fitting:
            return fitting
    return [TorchEngine(network.graph, replace(device, half=False)) for device in devices]


def _half_engines(
    network: Network, devices: Sequence[Device], options: DetectorOptions, media: Sequence[Medium]
) -> list[Engine]:
    """The network in half precision on each device; none, and a warning, where one shows a fault."""
    from entrypoint.engines.torch import TorchEngine

    # What computes in full precision has gone from the device before half precision comes.
    full = TorchEngine(network.graph, replace(devices[0], half=False))
    trial = Trial(Detector(full, network, options), media)
    del full
    engines: list[Engine] = [TorchEngine(network.graph, device) for device in devices]
    for engine in engines:
        if fault := trial.fault(Detector(engine, network, options)):
            LOG.warning("%s: %s", engine.device.description, fault)
            return []
    return engines
