"""From weights to detectors that have shown that they fit."""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch

from entrypoint.detect.detector import Detector, DetectorOptions
from entrypoint.detect.nms import NmsOptions
from entrypoint.detect.precision import Trial
from entrypoint.engines.base import Engine
from entrypoint.engines.torch import TorchEngine
from entrypoint.errors import ResourceError, UsageError
from entrypoint.host import limits, memory
from entrypoint.host.device import Device, is_out_of_memory
from entrypoint.log import LOG
from entrypoint.models.yolov5.network import Network
from entrypoint.settings import Settings
from entrypoint.sources.medium import Medium
from entrypoint.text import printable
from entrypoint.weights.classic.checkpoint import Checkpoint, load_checkpoint
from entrypoint.weights.find import Weights

# On a CPU a batch gains next to nothing; one by one, an image's result does not depend on what else is in the run.
_BATCH_ON_CPU, _BATCH_ON_GPU = 1, 32
_LEAST_LANE_BYTES, _IMAGE_BYTES = 16 << 20, 40 << 20  # of the network's values; of a photograph on its way
_LANES_A_GPU = 2  # one batch is computed while the next one travels
# While a network's graph is made, its weights are there many times.
_ONNX_BASE_BYTES, _ONNX_GROWTH = memory.LEAST_BYTES - (64 << 20), 4
_MOST_DIFFERENCE = 0.01  # between the engines, of logits


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a run looks with: a detector for each batch that may be under way at once, and that batch's size."""

    names: tuple[str, ...]
    lanes: tuple[Detector, ...]
    batch_size: int

    @property
    def devices(self) -> str:
        """Each device once, for a person."""
        return " and ".join(dict.fromkeys(lane.device.description for lane in self.lanes))


def load(
    weights: Weights,
    devices: Sequence[Device],
    settings: Settings,
    media: Sequence[Medium],
    has_time: Callable[[Detector], bool] = lambda detector: True,
) -> Loaded:
    """The network, ready to run over `media` on these devices.

    Where memory is limited an image of the largest size is tried, unless `has_time` says that there is no time for it.
    Raises WeightsError; UsageError for classes it does not have, or an engine that cannot run it; ResourceError where
    it does not fit.
    """
    try:
        on_cpu = not devices[0].on_gpu
        lanes_each, threads = shares_of_cpu(len(media)) if on_cpu else (_LANES_A_GPU, 1)
        torch.set_num_threads(threads)
        cv2.setNumThreads(1)  # images are decoded side by side, each on one thread
        checkpoint = load_checkpoint(weights.path)
        options = _options(checkpoint, settings)
        if on_cpu:
            engines: Sequence[Engine] = [_cpu_engine(checkpoint.network, devices[0], settings, threads)]
        else:
            engines = gpu_engines(checkpoint.network, devices, options, media)
        detectors = [Detector(engine, checkpoint.network, options) for engine in engines]
        if detectors[0].imgsz != settings.imgsz:
            LOG.warning("--imgsz rounded up to %d × %d, multiples of the network's stride", *detectors[0].imgsz)
        if settings.half and not detectors[0].device.half:
            LOG.warning("--half: running in FP32%s", "; it needs a GPU" * on_cpu)
        in_time = has_time(detectors[0])
        if on_cpu:
            lanes_each = min(lanes_each, lanes_that_fit(detectors[0]) if in_time else lanes_each)
            torch.set_num_threads(limits.threads() // lanes_each)
        most = _BATCH_ON_CPU if on_cpu else _BATCH_ON_GPU
        fitting = [detector.device.batch_size(detector.try_one, most, lanes_each) for detector in detectors if in_time]
        return Loaded(checkpoint.names, tuple(detectors) * lanes_each, settings.batch_size or min(fitting, default=1))
    except ResourceError:
        raise
    except Exception as error:
        if any(map(is_out_of_memory, _causes(error))):
            size = " × ".join(map(str, settings.imgsz))
            raise memory.shortage(f"the network in {printable(weights.path)} and an image of {size}") from error
        raise


def shares_of_cpu(images: int) -> tuple[int, int]:
    """Lanes, and threads each: images side by side keep the cores busy without waiting for each other."""
    threads = limits.threads()
    lanes = max(1, min(threads, images))
    return lanes, threads // lanes


def _cpu_engine(network: Network, device: Device, settings: Settings, threads: int) -> Engine:
    """ONNX Runtime, where it fits and computes what the network does; else, or where asked for, PyTorch.

    It pays from some ten images on, and costs fewer 0.1 s. That is no reason to choose by their number: what one part
    of a job finds would then differ, in its last digits, from what the whole job finds.
    """
    if settings.engine == "torch" or (settings.engine == "auto" and not graph_fits(network)):
        return TorchEngine(network, device)
    from entrypoint.engines.graph import NotExpressibleError
    from entrypoint.engines.onnx import OnnxEngine  # not for a run that does not need it

    try:
        # Lanes of several threads share the helpers of one pool, so it has all.
        engine = OnnxEngine(network, 1 if threads == 1 else limits.threads())
        fault = _disagreement(engine, network)
    except NotExpressibleError as error:
        fault = f"it has no word for the {error} of these weights"
    except Exception as error:
        if settings.engine == "onnx" and is_out_of_memory(error):
            raise
        fault = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
    if not fault:
        return engine
    if settings.engine == "onnx":
        raise UsageError(f"--engine onnx does not run these weights: {fault}; use --engine torch")
    LOG.info("running in PyTorch, for ONNX Runtime does not run these weights: %s", fault)
    return TorchEngine(network, device)


def graph_fits(network: Network) -> bool:
    """Whether a memory limit has room to make a graph of the network; by nothing that varies between runs."""
    limit = limits.memory_limit()
    weights = sum(values.nbytes for values in network.parameters())
    return limit is None or _ONNX_BASE_BYTES + _ONNX_GROWTH * weights < limit


@torch.inference_mode()
def _disagreement(engine: Engine, network: Network) -> str | None:
    """How an engine's maps of a small image differ from the network's own; None when they do not."""
    height, width = 2 * network.stride, 3 * network.stride
    image = np.linspace(0, 255, height * width * 3).astype(np.uint8).reshape(height, width, 3)
    pixels = engine.upload([image])
    for ours, theirs in zip(engine.maps(pixels), network(pixels), strict=True):
        if ours.shape != theirs.shape or not ours.allclose(theirs, atol=_MOST_DIFFERENCE, equal_nan=True):
            return "it computes something else"
    return None


def lanes_that_fit(detector: Detector) -> int:
    """How many images at once a memory limit has room for, judged by one. Raises what says that there is none."""
    before = memory.room()
    if before is None:
        return limits.threads()
    detector.try_one()
    after = memory.room() or 0
    return max(1, 1 + after // (max(before - after, _LEAST_LANE_BYTES) + _IMAGE_BYTES))


def gpu_engines(
    network: Network, devices: Sequence[Device], options: DetectorOptions, media: Sequence[Medium]
) -> list[TorchEngine]:
    """A replica of the network on each device, in half precision where that is asked for and shows no fault."""
    if devices[0].half:
        fitting = _half_engines(network, devices, replace(options, nms=NmsOptions()), media)
        if fitting:
            return fitting
    replicas = [network, *(copy.deepcopy(network) for _ in devices[1:])]
    return [
        TorchEngine(replica, replace(device, half=False)) for replica, device in zip(replicas, devices, strict=True)
    ]


def _half_engines(
    network: Network, devices: Sequence[Device], options: DetectorOptions, media: Sequence[Medium]
) -> list[TorchEngine]:
    """A replica in half precision on each device; none, and a warning, where one shows a fault."""
    # What computes in full precision has gone from the device before half precision comes.
    full = replace(devices[0], half=False)
    trial = Trial(Detector(TorchEngine(copy.deepcopy(network), full), network, options), media)
    engines = [TorchEngine(copy.deepcopy(network), device) for device in devices]
    for engine in engines:
        if fault := trial.fault(Detector(engine, network, options)):
            LOG.warning("%s: %s", engine.device.description, fault)
            return []
    return engines


def _options(checkpoint: Checkpoint, settings: Settings) -> DetectorOptions:
    nms = NmsOptions(
        settings.conf_thres,
        settings.iou_thres,
        settings.max_det,
        _class_ids(settings.classes, checkpoint.names),
        settings.agnostic_nms,
    )
    return DetectorOptions(settings.imgsz, settings.augment, nms)


def _class_ids(wanted: tuple[str, ...] | None, names: tuple[str, ...]) -> tuple[int, ...] | None:
    if wanted is None:
        return None
    ids = {name: class_id for class_id, name in enumerate(names)} | {str(i): i for i in range(len(names))}
    unknown = [name for name in wanted if name not in ids]
    if unknown:
        known = ", ".join(f"{class_id} {name}" for class_id, name in enumerate(names[:20]))
        more = f" and {len(names) - 20} more" if len(names) > 20 else ""
        raise UsageError(f"--classes {' '.join(unknown)}: not among the {len(names)} of these weights: {known}{more}")
    return tuple(sorted({ids[name] for name in wanted}))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
