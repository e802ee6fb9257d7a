"""From weights to detectors that have shown that they fit."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2

from entrypoint.detect import enginechoice
from entrypoint.detect.detector import Detector, DetectorOptions
from entrypoint.detect.nms import NmsOptions
from entrypoint.engines.joined import JoinedEngine
from entrypoint.errors import ResourceError, UsageError
from entrypoint.host import limits, memory
from entrypoint.host.device import CPU, Device
from entrypoint.host.shortage import shortage_of
from entrypoint.log import LOG
from entrypoint.models.ensemble import Ensemble
from entrypoint.models.network import YOLOV5, Family, Network
from entrypoint.settings import Settings
from entrypoint.sources.medium import Medium
from entrypoint.sources.moving import VideoMedium
from entrypoint.text import printable
from entrypoint.weights.find import Weights
from entrypoint.weights.registry import load_network

# On a CPU a batch gains next to nothing; one by one, an image's result does not depend on what else is in the run.
_BATCH_ON_CPU, _BATCH_ON_GPU = 1, 32
_LEAST_LANE_BYTES, _IMAGE_BYTES = 16 << 20, 40 << 20  # of the network's values; of a photograph on its way
_LANES_A_GPU = 2  # one batch is computed while the next one travels


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a run looks with: a detector for each batch that may be under way at once, and that batch's size.

    `settings`: those that it was asked for, with the values of what these left to the weights. `notes`: what a person
    should know of the choice of device.
    """

    names: tuple[str, ...]
    lanes: tuple[Detector, ...]
    batch_size: int
    settings: Settings
    notes: tuple[str, ...] = ()

    @property
    def devices(self) -> str:
        """Each device once, for a person."""
        return " and ".join(dict.fromkeys(lane.device.description for lane in self.lanes))

    @property
    def waiting_bytes(self) -> int:
        """Bytes of decoded images that may wait at each place where images wait: more, where batches pay."""
        return memory.waiting_bytes(self.batch_size if self.lanes[0].device.on_gpu else 1)


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
    what = f"the network in {printable(weights.label)}"
    try:
        cv2.setNumThreads(1)  # images are decoded side by side, each on one thread
        members = [load_network(one.path, one.kind) for one in weights.members or (weights,)]
        network = Ensemble(members) if len(members) > 1 else members[0]
        _require_its_size(network, settings)
        settings = _with_defaults(network.family, settings)
        options = options_for(network, settings)
        imgsz = network.size or options.imgsz
        what += f" at {imgsz[0]} × {imgsz[1]}"
        memory.require(memory.need_of(sum(one.graph.nbytes for one in members), imgsz), what)
        notes: tuple[str, ...] = ()
        if devices[0].on_gpu and (fault := _gpu_fault(members, devices[0], settings)):
            notes = (f"Ran on the CPU, many times slower, and not on {devices[0].description}: {fault}",)
            LOG.warning("%s: %s; running on the CPU instead, many times slower", devices[0].description, fault)
            devices = [CPU]
        on_cpu = not devices[0].on_gpu
        lanes_each, threads = shares_of_cpu(_frames(media)) if on_cpu else (_LANES_A_GPU, 1)
        if on_cpu:
            of_members = [[enginechoice.cpu_engine(one, settings, threads)] for one in members]
        else:
            of_members = [enginechoice.gpu_engines(one, devices, options, media) for one in members]
        for one in members:
            one.graph.constants.clear()  # the engines have them
        weights.require_unchanged()
        engines = [JoinedEngine(them) if len(them) > 1 else them[0] for them in zip(*of_members, strict=True)]
        detectors = [Detector(engine, network, options) for engine in engines]
        _say_what_is_different(detectors[0], network, options, settings)
        in_time = has_time(detectors[0])
        if on_cpu:
            lanes_each = min(lanes_each, lanes_that_fit(detectors[0]) if in_time else lanes_each)
            engines[0].set_threads(limits.threads() // lanes_each)
        most = _BATCH_ON_CPU if on_cpu else _BATCH_ON_GPU
        fitting = [one.engine.batch_size(one.try_one, most, lanes_each) for one in detectors if in_time]
        batch_size = network.batch or settings.batch_size or min(fitting, default=1)
        if in_time and not on_cpu:
            for detector in detectors:
                detector.warm_up(batch_size)  # so that pinned memory is there before `memory.guard`
        return Loaded(network.names, tuple(detectors) * lanes_each, batch_size, settings, notes)
    except ResourceError:
        raise
    except Exception as error:
        for cause in _causes(error):
            if shortage := shortage_of(cause, what):
                raise shortage from error
        raise


def _gpu_fault(members: Sequence[Network], device: Device, settings: Settings) -> str | None:
    """Why a GPU is not to compute one of these; None for no reason."""
    faults = (enginechoice.gpu_fault(one, device, settings) for one in members)
    return next(filter(None, faults), None)


def _require_its_size(network: Network, settings: Settings) -> None:
    """Raise UsageError where another size is asked for than the only one that a network takes."""
    if network.size and settings.imgsz not in (None, network.size):
        raise UsageError(
            f"--imgsz {settings.imgsz[0]} {settings.imgsz[1]}: these weights were exported for images of "
            f"{network.size[0]} × {network.size[1]} alone; leave it out, or export them again with --dynamic"
        )


def _with_defaults(family: Family, settings: Settings) -> Settings:
    """The settings with the family's own values where the user names none; the log says others than detect.py's."""
    values = {"imgsz": family.imgsz, "iou_thres": family.iou_thres, "max_det": family.max_det}
    taken = {name: value for name, value in values.items() if getattr(settings, name) is None}
    different = [
        f"--{name.replace('_', '-')} {' × '.join(map(str, value)) if isinstance(value, tuple) else value}"
        for name, value in taken.items()
        if family != YOLOV5
    ]
    if different:
        LOG.info("the defaults of these weights' own tool (%s): %s", family.name, ", ".join(different))
    return settings.filled(**values)


def _say_what_is_different(detector: Detector, network: Network, options: DetectorOptions, settings: Settings) -> None:
    """Warn of options that are not followed to the letter."""
    if detector.imgsz != options.imgsz:
        why = "the only size that this network takes" if network.size else "multiples of the network's stride"
        LOG.warning("--imgsz is %d × %d, %s", *detector.imgsz, why)
    if settings.half and not detector.device.half:
        LOG.warning("--half: running in FP32%s", "" if detector.device.on_gpu else "; it needs a GPU")


def _frames(media: Sequence[Medium]) -> int:
    """How many frames there are at least, or as many as there are threads."""
    count = len(media)
    if count < limits.threads() and any(isinstance(medium, VideoMedium) for medium in media):
        return limits.threads()
    return count


def shares_of_cpu(images: int) -> tuple[int, int]:
    """Lanes, and threads each: images side by side keep the cores busy without waiting for each other."""
    threads = limits.threads()
    lanes = max(1, min(threads, images))
    return lanes, threads // lanes


def lanes_that_fit(detector: Detector) -> int:
    """How many images at once a memory limit has room for, judged by one. Raises what says that there is none."""
    before = memory.room()
    if before is None:
        return limits.threads()
    detector.try_one()
    after = memory.room() or 0
    return max(1, 1 + after // (max(before - after, _LEAST_LANE_BYTES) + _IMAGE_BYTES))


def options_for(network: Network, settings: Settings) -> DetectorOptions:
    """What the settings ask of a detector. Raises UsageError for what this network cannot do, or classes it lacks."""
    if settings.augment and not network.augments:
        raise UsageError("--augment: these weights are of a family without augmented inference; leave it out")
    family = network.family
    nms = NmsOptions(
        settings.conf_thres,
        family.iou_thres if settings.iou_thres is None else settings.iou_thres,
        settings.max_det or family.max_det,
        _class_ids(settings.classes, network.names),
        settings.agnostic_nms,
        suppress=family.nms,
    )
    return DetectorOptions(settings.imgsz or family.imgsz, settings.augment, settings.multi_label, nms)


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
