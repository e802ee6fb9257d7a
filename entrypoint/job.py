"""The run, top to bottom: weights, media, a folder for the results, detections, files."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import torch

from entrypoint import limits, log
from entrypoint.detector import Detector, DetectorOptions
from entrypoint.device import Device, choose_device
from entrypoint.errors import (
    EXIT_MEDIA_FAILED,
    EXIT_OK,
    EXIT_SIGNAL,
    OutputError,
    SourceError,
    UsageError,
    YoloBacError,
)
from entrypoint.log import LOG
from entrypoint.media.scan import Listing, Medium, scan
from entrypoint.model.nms import NmsOptions
from entrypoint.mounts import is_lost_with_the_container
from entrypoint.pipeline import Pipeline
from entrypoint.progress import Progress
from entrypoint.records import Record
from entrypoint.recordstore import RecordStore
from entrypoint.runfolder import RunFolder
from entrypoint.samples import bundled_images
from entrypoint.settings import BAKED_WEIGHTS, DATASETS, INPUTS, Settings
from entrypoint.shard import Shard, partition
from entrypoint.signals import LastWords, Stopper
from entrypoint.status import Counts, Status
from entrypoint.summary import print_summary, summary, verdict
from entrypoint.text import printable
from entrypoint.weights.checkpoint import Checkpoint, load_checkpoint
from entrypoint.weights.find import Weights, find_weights
from entrypoint.writers import image_writers, run_writers

# On a CPU a batch gains nothing; one by one, an image's result does not depend on what else is in the run.
_BATCH_ON_CPU, _BATCH_ON_GPU = 1, 32


def run(settings: Settings, stopper: Stopper) -> int:
    """Do the job and give its exit code; the summary goes to stdout. Raises YoloBacError when it cannot be done."""
    _warn_of_loss(settings.project)
    weights = find_weights(settings.weights, (INPUTS, BAKED_WEIGHTS))
    shard, part = _shares(settings)
    source, listing = _find_media(settings)
    if shard:
        listing.media[:] = [medium for medium in listing.media if shard.holds(medium.file)]
    device = choose_device(settings.device, settings.half)
    torch.set_num_threads(limits.threads())
    cv2.setNumThreads(1)  # images are decoded side by side, each on one thread
    checkpoint = load_checkpoint(weights.path)
    detector = _detector(checkpoint, device, settings)
    identity = {"weights": weights.sha256, "source": _place(source), "settings": settings.of_results()}
    folder = RunFolder.claim(
        settings.project,
        settings.name,
        identity,
        part=part.folder if part else None,
        exist_ok=settings.exist_ok,
        resume=settings.resume,
    )
    facts = _facts(settings, identity, weights, checkpoint, device, source, listing)
    facts["shard"] = asdict(shard) if shard else None
    status = Status(folder, Counts(len(listing.media)), facts)
    try:
        status.write("running", None, "under way")
        stopper.last_words = _last_words(status, folder)
        _announce(facts, listing, folder)
        return _process(settings, checkpoint, detector, device, listing, folder, status)
    except Exception as error:
        _leave_word(status, error)
        raise
    finally:
        folder.close()


def _shares(settings: Settings) -> tuple[Shard | None, Shard | None]:
    """The share of the media to look at, and the one whose folder the results go to; None for the whole."""
    here = partition(os.environ)
    shard = here if settings.shard == "auto" else settings.shard
    if here and not settings.shard:
        LOG.warning(
            "this is execution %d of %d, and each looks at all it sees: where they see the same, --shard auto shares "
            "the work out",
            here.index,
            here.count,
        )
    return shard, shard or here


def _place(source: str) -> str:
    """The source so that another one is not taken for it: the whole path, and which file or folder that is today."""
    where = printable(os.path.abspath(source))  # noqa: PTH100 - a glob is no path
    try:
        found = os.stat(source)  # noqa: PTH116
    except OSError:
        return where
    return f"{where} ({found.st_dev:x}:{found.st_ino:x})"


def _process(
    settings: Settings,
    checkpoint: Checkpoint,
    detector: Detector,
    device: Device,
    listing: Listing,
    folder: RunFolder,
    status: Status,
) -> int:
    store, counts = RecordStore(folder), status.counts
    pipeline = Pipeline(
        detector,
        image_writers(settings, folder, checkpoint.names),
        store,
        checkpoint.names,
        batch_size=settings.batch_size or (_BATCH_ON_GPU if device.on_gpu else _BATCH_ON_CPU),
        threads=limits.threads(),
    )
    progress = Progress(len(listing.media))

    def on_record(record: Record) -> None:
        counts.add(record)
        progress.step()

    pipeline.run(list(_not_done(listing.media, store, counts, folder.continued)), on_record)
    progress.close()
    for writer in run_writers(settings, folder, checkpoint.names):
        writer.write(store.of(listing.media), status.info)
    exit_code = EXIT_MEDIA_FAILED if counts.failed > settings.max_failures else EXIT_OK
    status.write("finished", exit_code, verdict(counts))
    print_summary(summary(counts, folder.path, status.seconds))
    return exit_code


def _not_done(media: list[Medium], store: RecordStore, counts: Counts, continued: bool) -> Iterator[Medium]:
    """The media without detections from an earlier attempt; those that failed or changed since are looked at again."""
    for medium in media:
        record = store.load(medium) if continued else None
        if record is not None and record["failure"] is None:
            counts.add(record, reused=True)
        else:
            yield medium


def _warn_of_loss(project: Path) -> None:
    """Log where results vanish with the container: the first line of all."""
    if is_lost_with_the_container(project):
        LOG.warning(
            'results in %s are lost with the container, for nothing is mounted there: add `-v "$PWD/outputs:/outputs"` '
            "to docker run, `-o outputs:/outputs -p ipfs` to bacalhau docker run",
            project,
        )


def _announce(facts: dict[str, Any], listing: Listing, folder: RunFolder) -> None:
    weights = facts["weights"]
    LOG.info("weights %s, sha256 %s, %d classes", weights["file"], weights["sha256"], len(weights["classes"]))
    shard = facts["shard"]
    share = f" in shard {shard['index']} of {shard['count']}" if shard else ""
    LOG.info("source %s: %d media%s%s", facts["source"], len(listing.media), share, _ignored(listing))
    if not listing.media:
        LOG.warning("the %s is empty: there is nothing to do", "shard" if shard else "source")
    LOG.info("device %s; results in %s%s", facts["device"], folder.path, ", continued" * folder.continued)
    log.release()


def _last_words(status: Status, folder: RunFolder) -> LastWords:
    def speak(caught: signal.Signals) -> None:
        counts = status.counts
        message = f"stopped by {caught.name}: {counts.done} of {counts.total} done; the same command continues"
        LOG.error("%s", message)
        status.write("stopped", EXIT_SIGNAL + caught, message)
        folder.clear()

    return speak


def _leave_word(status: Status, error: Exception) -> None:
    """Say in status.json why the run ended, where the output folder still takes it."""
    code = error.exit_code if isinstance(error, YoloBacError) else YoloBacError.exit_code
    with suppress(OutputError):
        status.write("failed", code, printable(error) or type(error).__name__)


def _find_media(settings: Settings) -> tuple[str, Listing]:
    """The source that applies first, and what it holds."""
    if settings.source:
        listing = scan(settings.source, settings.project)
        if not listing.media:
            raise SourceError(f"source {settings.source!r} holds no images{_ignored(listing)}; expected at least one")
        return settings.source, listing
    if DATASETS.exists():
        return str(DATASETS), scan(str(DATASETS), settings.project)
    if INPUTS.is_dir() and (listing := scan(str(INPUTS), settings.project)).media:
        return str(INPUTS), listing
    samples = str(bundled_images())
    return samples, scan(samples, settings.project)


def _ignored(listing: Listing) -> str:
    kinds = ", ".join(f"{count} × {kind}" for kind, count in listing.ignored.most_common(5))
    return f" (ignored: {kinds})" if kinds else ""


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


def _facts(
    settings: Settings,
    identity: dict[str, Any],
    weights: Weights,
    checkpoint: Checkpoint,
    device: Device,
    source: str,
    listing: Listing,
) -> dict[str, Any]:
    return {
        "identity": identity,
        "settings": {key: _plain(value) for key, value in asdict(settings).items()},
        "weights": {
            "file": printable(weights.path),
            "kind": weights.kind.name,
            "size": weights.size,
            "sha256": weights.sha256,
            "classes": list(checkpoint.names),
        },
        "device": device.description,
        "source": printable(source),
        "ignored": dict(listing.ignored),
    }


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return list(value)
    return printable(value) if isinstance(value, (str, Path)) else value
