"""The run, top to bottom: weights, media, a folder for the results, detections, files."""

import os
import signal
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from entrypoint import __version__, log
from entrypoint.detect.devices import devices_for, import_ahead
from entrypoint.detect.loading import Loaded, load
from entrypoint.errors import (
    EXIT_MEDIA_FAILED,
    EXIT_OK,
    EXIT_SIGNAL,
    OutputError,
    YoloBacError,
)
from entrypoint.host import limits, memory
from entrypoint.host.mounts import is_lost_with_the_container
from entrypoint.log import LOG
from entrypoint.results.claim import claim
from entrypoint.results.formats import check_names
from entrypoint.results.results import Results
from entrypoint.results.runfolder import RunFolder
from entrypoint.results.runstatus import State
from entrypoint.results.status import Counts, Status
from entrypoint.results.summary import print_summary, summary, verdict
from entrypoint.run.continuing import (
    count_reusable,
    find_previous,
    how_to_go_on,
    is_among,
    take_over,
    warn_of_engines,
)
from entrypoint.run.deadline import Deadline, WritingRate
from entrypoint.run.pipeline import Pipeline
from entrypoint.run.progress import Progress
from entrypoint.run.share import share_of
from entrypoint.run.signals import LastWords, Stopper
from entrypoint.run.source import find_media, ignored
from entrypoint.settings import BAKED_WEIGHTS, INPUTS, Settings
from entrypoint.shards.previous import TakeOver
from entrypoint.sources.listing import Listing
from entrypoint.text import printable
from entrypoint.values import Failure, Record
from entrypoint.weights.find import Weights, find_weights

_NOT_DONE = Failure("not_done", "the time budget ended before its turn")


def run(settings: Settings, stopper: Stopper, started: float) -> int:
    """Do the job and give its exit code; the summary goes to stdout. Raises YoloBacError when it cannot be done.

    `started`: the moment of `time.monotonic` that `settings.time_budget` counts from.
    """
    check_names(settings)
    memory.guard()
    import_ahead(settings)  # while weights and media are looked for
    _warn_of_loss(settings.project)
    weights = find_weights(settings.weights, (INPUTS, BAKED_WEIGHTS))
    for one in weights.members:
        LOG.info("of the ensemble: %s, sha256 %s", printable(one.path), one.sha256)
    share = share_of(settings)
    source, listing = find_media(settings)
    whole, listing = listing, listing.share(share.shard) if share.shard else listing
    deadline = Deadline(settings.time_budget, started, len(listing))
    devices = devices_for(settings)
    if not devices[0].on_gpu:
        memory.guard(by_host=True)
    # By the whole source, so that every shard's images are looked at in the same way.
    loaded = load(weights, devices, settings, whole, deadline.has_time_for)
    settings = loaded.settings
    decisive = {"version": __version__, "weights": weights.sha256, "settings": settings.of_results()}
    previous = find_previous(settings, decisive)
    identity = {
        **decisive,
        "source": share.source(printable(os.path.abspath(source))),  # noqa: PTH100 - a glob is no path
        "engine": loaded.lanes[0].engine.name,
    }
    if previous:
        warn_of_engines(previous, loaded.lanes[0].engine.name)
    folder = claim(
        settings.project,
        settings.name,
        identity,
        part=share.folder,
        exist_ok=settings.exist_ok,
        resume=settings.resume,
    )
    facts = _facts(settings, identity, weights, loaded, source, listing)
    facts |= {name: asdict(one) if one else None for name, one in (("shard", share.shard), ("part", share.part))}
    status = Status(folder, Counts(len(listing)), facts)
    try:
        status.write("running", None, "under way")
        stopper.last_words = _last_words(status, folder)
        _announce(facts, listing, folder)
        listing.options.scratch.folder = str(folder.scratch)
        results = Results(folder, settings, loaded.names, listing.files)
        pipeline = Pipeline(
            loaded.lanes,
            results,
            loaded.names,
            batch_size=loaded.batch_size,
            threads=limits.threads(),
            waiting_bytes=loaded.waiting_bytes,
            deadline=deadline,
            timings=status.timings,
        )
        is_done = bytearray(len(listing))
        if folder.continued:
            count_reusable(results, listing, status.counts, is_done)
        if previous:
            taking = TakeOver(previous, folder, results, loaded.names)
            take_over(taking, listing, is_done, deadline, status, is_among(whole.files, share.shard))
        rate = WritingRate(folder.scratch, deadline)
        nothing = share.nothing(len(whole))
        return _process(settings, pipeline, results, listing, folder, status, rate, is_done, nothing)
    except Exception as error:
        _leave_word(status, error)
        raise
    finally:
        folder.close()


def _process(
    settings: Settings,
    pipeline: Pipeline,
    results: Results,
    listing: Listing,
    folder: RunFolder,
    status: Status,
    rate: WritingRate,
    is_done: bytearray,
    nothing: str,
) -> int:
    counts = status.counts
    progress = Progress(len(listing), counts.reused + counts.taken_over)

    def on_record(index: int, record: Record) -> None:
        is_done[index] = True
        counts.add(record)
        rate.add(record)
        status.throughput.step()
        progress.step(len(record.detections or ()))
        status.refresh()

    def missing(index: int) -> Record | None:
        return None if is_done[index] else Record.failed(listing.files[index], _NOT_DONE)

    pipeline.run((listing[index] for index in listing.reading_order() if not is_done[index]), on_record)
    progress.close()
    left = is_done.count(0)
    failed = left or counts.failed > settings.max_failures
    exit_code = EXIT_MEDIA_FAILED if failed else EXIT_OK
    message = verdict(counts) if counts.total else nothing
    if left:
        message = (
            f"Out of time: --time-budget {settings.time_budget:g} ended with {left} of {counts.total} not done, "
            f"{counts.failed} failed, {counts.detections} detections in {counts.done}; {how_to_go_on()}."
        )
    state: State = "stopped" if left else "finished"
    results.write_run(status.complete(state, exit_code, message), missing)
    status.write(state, exit_code, message)
    print_summary(summary(counts, folder.path, status.seconds, message))
    return exit_code


def _warn_of_loss(project: Path) -> None:
    """Log where results vanish with the container: the first line of all."""
    if is_lost_with_the_container(project):
        LOG.warning(
            'results in %s are lost with the container, for nothing is mounted there: add `-v "$PWD/outputs:/outputs"` '
            "to docker run, `-o outputs:/outputs` and a publisher (`-p local`, `-p s3managed`, or `-p ipfs` where the "
            "nodes have IPFS) to bacalhau docker run",
            project,
        )


def _announce(facts: dict[str, Any], listing: Listing, folder: RunFolder) -> None:
    weights = facts["weights"]
    LOG.info("weights %s, sha256 %s, %d classes", weights["file"], weights["sha256"], len(weights["classes"]))
    shard = facts["shard"]
    share = f" in shard {shard['index']} of {shard['count']}" if shard else ""
    LOG.info("source %s: %d media%s%s", facts["source"], len(listing), share, ignored(listing))
    if not listing:
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
        message = f"stopped by {caught.name}: {counts.done} of {counts.total} done; {how_to_go_on()}"
        LOG.error("%s", message)
        status.write("stopped", EXIT_SIGNAL + caught, message)
        folder.clear()

    return speak


def _leave_word(status: Status, error: Exception) -> None:
    """Say in status.json why the run ended, where the output folder still takes it."""
    code = error.exit_code if isinstance(error, YoloBacError) else YoloBacError.exit_code
    with suppress(OutputError):
        status.write("failed", code, printable(error) or type(error).__name__)


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
            "file": printable(weights.label),
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
