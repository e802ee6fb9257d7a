"""The run, top to bottom: weights, media, a folder for the results, detections, files."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from entrypoint import __version__, log
from entrypoint.detect.loading import Loaded, load
from entrypoint.errors import (
    EXIT_MEDIA_FAILED,
    EXIT_OK,
    EXIT_SIGNAL,
    OutputError,
    SourceError,
    UsageError,
    YoloBacError,
)
from entrypoint.host import limits, memory
from entrypoint.host.device import Device, choose_devices
from entrypoint.host.mounts import is_lost_with_the_container
from entrypoint.log import LOG
from entrypoint.results.claim import claim
from entrypoint.results.formats import clash
from entrypoint.results.results import Results
from entrypoint.results.runfolder import RunFolder, holds_results
from entrypoint.results.status import Counts, Status
from entrypoint.results.summary import print_summary, summary, verdict
from entrypoint.run.deadline import Deadline
from entrypoint.run.pipeline import Pipeline, input_state
from entrypoint.run.progress import Progress
from entrypoint.run.signals import LastWords, Stopper
from entrypoint.settings import BAKED_WEIGHTS, DATASETS, INPUTS, Settings
from entrypoint.shard import Shard, partition
from entrypoint.sources.samples import bundled_images
from entrypoint.sources.scan import Listing, Medium, scan
from entrypoint.text import printable
from entrypoint.values import Failure, Record
from entrypoint.weights.find import Weights, find_weights

_NOT_DONE = Failure("not_done", "the time budget ended before its turn")


def run(settings: Settings, stopper: Stopper, started: float) -> int:
    """Do the job and give its exit code; the summary goes to stdout. Raises YoloBacError when it cannot be done.

    `started`: the moment of `time.monotonic` that `settings.time_budget` counts from.
    """
    memory.guard()
    _warn_of_loss(settings.project)
    weights = find_weights(settings.weights, (INPUTS, BAKED_WEIGHTS))
    shard, part = _shares(settings)
    source, listing = _find_media(settings)
    # By the whole source, so that every shard's images are looked at in the same way.
    loaded = load(weights, _devices(settings), settings, listing.media)
    if shard:
        listing.media[:] = [medium for medium in listing.media if shard.holds(medium.file)]
    identity = {
        "version": __version__,
        "weights": weights.sha256,
        "source": printable(os.path.abspath(source)),  # noqa: PTH100 - a glob is no path
        "settings": settings.of_results(),
        "engine": loaded.lanes[0].engine.name,
    }
    folder = claim(
        settings.project,
        settings.name,
        identity,
        part=part.folder if part else None,
        exist_ok=settings.exist_ok,
        resume=settings.resume,
    )
    facts = _facts(settings, identity, weights, loaded, source, listing)
    facts |= {"shard": asdict(shard) if shard else None, "part": asdict(part) if part else None}
    status = Status(folder, Counts(len(listing.media)), facts)
    try:
        status.write("running", None, "under way")
        stopper.last_words = _last_words(status, folder)
        _announce(facts, listing, folder)
        results = Results(folder, settings, loaded.names, [medium.file for medium in listing.media])
        pipeline = Pipeline(
            loaded.lanes,
            results,
            loaded.names,
            batch_size=loaded.batch_size,
            threads=limits.threads(),
            waiting_bytes=memory.waiting_bytes(),
            deadline=Deadline(settings.time_budget, started, len(listing.media)),
            timings=status.timings,
        )
        return _process(settings, pipeline, listing, results, folder, status)
    except Exception as error:
        _leave_word(status, error)
        raise
    finally:
        folder.close()


def _devices(settings: Settings) -> list[Device]:
    if settings.engine != "onnx":
        return choose_devices(settings.device, settings.half)
    if settings.device.strip().lower() not in ("", "cpu"):
        raise UsageError(f"--engine onnx runs on the CPU, not with --device {settings.device}: leave one of them out")
    return choose_devices("cpu", settings.half)


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


def _process(
    settings: Settings,
    pipeline: Pipeline,
    listing: Listing,
    results: Results,
    folder: RunFolder,
    status: Status,
) -> int:
    counts = status.counts
    media = list(_not_done(listing.media, results, counts))
    left = {medium.file for medium in media}
    progress = Progress(len(listing.media))

    def on_record(record: Record) -> None:
        left.discard(record.file)
        counts.add(record)
        progress.step()

    pipeline.run(media, on_record)
    progress.close()
    results.write_run(status.info, lambda index: Record.failed(listing.media[index].file, _NOT_DONE))
    failed = left or counts.failed > settings.max_failures
    exit_code = EXIT_MEDIA_FAILED if failed else EXIT_OK
    message = verdict(counts)
    if left:
        message = (
            f"Out of time: --time-budget {settings.time_budget:g} ended with {len(left)} of {counts.total} not done, "
            f"{counts.failed} failed, {counts.detections} detections in {counts.done}; the same command continues."
        )
    status.write("stopped" if left else "finished", exit_code, message)
    print_summary(summary(counts, folder.path, status.seconds, message))
    return exit_code


def _not_done(media: list[Medium], results: Results, counts: Counts) -> Iterator[Medium]:
    """The media without detections from an earlier attempt; those that failed or changed since are looked at again."""
    for index, medium in enumerate(media):
        record = results.reusable(index, input_state(medium))
        if record is None:
            yield medium
        else:
            counts.add(record, reused=True)


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
    LOG.info(
        "device %s, engine %s; results in %s%s",
        facts["device"],
        facts["engine"],
        folder.path,
        ", continued" * folder.continued,
    )
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
    is_results = holds_results(settings.project)
    if settings.source:
        listing = scan(settings.source, is_results, clash)
        if not listing.media:
            raise SourceError(f"source {settings.source!r} holds no images{_ignored(listing)}; expected at least one")
        return settings.source, listing
    if DATASETS.exists():
        return str(DATASETS), scan(str(DATASETS), is_results, clash)
    if INPUTS.is_dir() and (listing := scan(str(INPUTS), is_results, clash)).media:
        return str(INPUTS), listing
    samples = str(bundled_images())
    return samples, scan(samples)


def _ignored(listing: Listing) -> str:
    kinds = ", ".join(f"{count} × {kind}" for kind, count in listing.ignored.most_common(5))
    return f" (ignored: {kinds})" if kinds else ""


def _facts(
    settings: Settings,
    identity: dict[str, Any],
    weights: Weights,
    loaded: Loaded,
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
            "classes": list(loaded.names),
        },
        "device": loaded.devices,
        "engine": loaded.lanes[0].engine.name,
        "source": printable(source),
        "ignored": dict(listing.ignored),
    }


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return list(value)
    return printable(value) if isinstance(value, (str, Path)) else value
