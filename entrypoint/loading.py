"""From weights to a detector that has shown that it fits."""

from collections.abc import Iterator

from entrypoint import memory
from entrypoint.detector import Detector, DetectorOptions
from entrypoint.device import Device, is_out_of_memory
from entrypoint.errors import UsageError
from entrypoint.log import LOG
from entrypoint.model.nms import NmsOptions
from entrypoint.settings import Settings
from entrypoint.text import printable
from entrypoint.weights.checkpoint import Checkpoint, load_checkpoint
from entrypoint.weights.find import Weights

# On a CPU a batch gains next to nothing; one by one, an image's result does not depend on what else is in the run.
_BATCH_ON_CPU, _BATCH_ON_GPU = 1, 32


def load(weights: Weights, device: Device, settings: Settings) -> tuple[Checkpoint, Detector, int]:
    """The network, ready to run, and how many images go through it together.

    Raises WeightsError; UsageError for classes it does not have; ResourceError where it does not fit.
    """
    try:
        checkpoint = load_checkpoint(weights.path)
        detector = _detector(checkpoint, device, settings)
        if memory.room() is not None and not device.on_gpu:
            detector.try_one()
        most = _BATCH_ON_GPU if device.on_gpu else _BATCH_ON_CPU
        return checkpoint, detector, settings.batch_size or device.batch_size(detector.try_one, most)
    except Exception as error:
        if any(map(is_out_of_memory, _causes(error))):
            size = " × ".join(map(str, settings.imgsz))
            raise memory.shortage(f"the network in {printable(weights.path)} and an image of {size}") from error
        raise


def _detector(checkpoint: Checkpoint, device: Device, settings: Settings) -> Detector:
    nms = NmsOptions(
        settings.conf_thres,
        settings.iou_thres,
        settings.max_det,
        _class_ids(settings.classes, checkpoint.names),
        settings.agnostic_nms,
    )
    detector = Detector(checkpoint.network, device, DetectorOptions(settings.imgsz, settings.augment, nms))
    if detector.imgsz != settings.imgsz:
        LOG.warning("--imgsz rounded up to %d × %d, multiples of the network's stride", *detector.imgsz)
    if settings.half and not device.half:
        LOG.warning("--half needs a GPU; running in FP32")
    return detector


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
