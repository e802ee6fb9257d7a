"""From weights to detectors that have shown that they fit."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import torch

from entrypoint import limits, memory
from entrypoint.detector import Detector, DetectorOptions
from entrypoint.device import Device, is_out_of_memory
from entrypoint.engines.base import Engine
from entrypoint.engines.eager import TorchEngine
from entrypoint.errors import UsageError
from entrypoint.log import LOG
from entrypoint.media.scan import Medium
from entrypoint.model.network import Network
from entrypoint.model.nms import NmsOptions
from entrypoint.precision import half_fault
from entrypoint.settings import Settings
from entrypoint.text import printable
from entrypoint.weights.checkpoint import Checkpoint, load_checkpoint
from entrypoint.weights.find import Weights

# On a CPU a batch gains next to nothing; one by one, an image's result does not depend on what else is in the run.
_BATCH_ON_CPU, _BATCH_ON_GPU = 1, 32
_LEAST_LANE_BYTES = 16 << 20
_LANES_A_GPU = 2  # one batch is computed while the next one travels
# From so many images on, ONNX Runtime's start is paid for: 0.3 s, and about 15 ms an image less for the smallest model.
_ONNX_PAYS_FROM = 16
# With less memory than this to grow into, it is ONNX Runtime for any number: when memory is out it raises, where
# oneDNN, which PyTorch computes with, may crash.
_ONNX_SAFER_BELOW = 512 << 20


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


def load(weights: Weights, devices: Sequence[Device], settings: Settings, media: Sequence[Medium]) -> Loaded:
    """The network, ready to run over `media` on these devices.

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
            engines: Sequence[Engine] = [_cpu_engine(checkpoint.network, devices[0], settings, len(media), threads)]
        else:
            engines = gpu_engines(checkpoint.network, devices, options, media)
        detectors = [Detector(engine, checkpoint.network, options) for engine in engines]
        if detectors[0].imgsz != settings.imgsz:
            LOG.warning("--imgsz rounded up to %d × %d, multiples of the network's stride", *detectors[0].imgsz)
        if settings.half and not detectors[0].device.half:
            LOG.warning("--half: running in FP32%s", "; it needs a GPU" * on_cpu)
        if on_cpu:
            lanes_each = min(lanes_each, lanes_that_fit(detectors[0]))
        most = _BATCH_ON_CPU if on_cpu else _BATCH_ON_GPU
        fitting = [detector.device.batch_size(detector.try_one, most, lanes_each) for detector in detectors]
        return Loaded(checkpoint.names, tuple(detectors) * lanes_each, settings.batch_size or min(fitting))
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


def _cpu_engine(network: Network, device: Device, settings: Settings, images: int, threads: int) -> Engine:
    if settings.engine == "torch" or (settings.engine == "auto" and images < _ONNX_PAYS_FROM and not _is_tight()):
        return TorchEngine(network, device)
    from entrypoint.engines.graph import NotExpressibleError
    from entrypoint.engines.ort import OnnxEngine  # not for a run that does not need it

    try:
        return OnnxEngine(network, threads)
    except NotExpressibleError as error:
        if settings.engine == "onnx":
            raise UsageError(f"--engine onnx does not run the {error} of these weights; use --engine torch") from None
        LOG.info("--engine onnx does not run the %s of these weights: running in PyTorch", error)
        return TorchEngine(network, device)


def lanes_that_fit(detector: Detector) -> int:
    """How many images at once a memory limit has room for, judged by one. Raises what says that there is none."""
    before = memory.room()
    if before is None:
        return limits.threads()
    detector.try_one()
    after = memory.room() or 0
    return max(1, 1 + after // max(before - after, _LEAST_LANE_BYTES))


def _is_tight() -> bool:
    room = memory.room()
    return room is not None and room < _ONNX_SAFER_BELOW


def gpu_engines(
    network: Network, devices: Sequence[Device], options: DetectorOptions, media: Sequence[Medium]
) -> list[TorchEngine]:
    """A replica of the network on each device, in half precision where that is asked for and shows no fault."""
    replicas = [network, *(copy.deepcopy(network) for _ in devices[1:])]
    if not devices[0].half:
        return [TorchEngine(replica, device) for replica, device in zip(replicas, devices, strict=True)]
    plain = [replace(device, half=False) for device in devices]
    full = TorchEngine(copy.deepcopy(network), plain[0])
    engines = [TorchEngine(replica, device) for replica, device in zip(replicas, devices, strict=True)]
    for engine in engines:
        fault = half_fault(Detector(full, network, options), Detector(engine, network, options), media)
        if fault:
            LOG.warning("%s: %s", engine.device.description, fault)
            return [full, *(TorchEngine(copy.deepcopy(full.network), device) for device in plain[1:])]
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
