"""The run, top to bottom: weights, media, a folder for the results, detections, files."""

import signal
from pathlib import Path
from typing import TYPE_CHECKING

from entrypoint import log
from entrypoint.errors import EXIT_MEDIA_FAILED, EXIT_OK, EXIT_SIGNAL
from entrypoint.host import limits
from entrypoint.host.mounts import is_lost_with_the_container
from entrypoint.host.shortage import shortages_named
from entrypoint.log import LOG
from entrypoint.results.claim import claim
from entrypoint.results.formats import check_names, require, wanted
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
from entrypoint.run.deadline import TIMED_OUT, WritingRate
from entrypoint.run.pipeline import Pipeline
from entrypoint.run.plan import Plan
from entrypoint.run.progress import Progress
from entrypoint.run.signals import LastWords, Stopper
from entrypoint.run.source import ignored
from entrypoint.settings import Settings
from entrypoint.text import printable
from entrypoint.values import Failure, Record

if TYPE_CHECKING:
    from entrypoint.shards.previous import Previous

_NOT_DONE = Failure("not_done", "the time budget ended before its turn")


def run(settings: Settings, stopper: Stopper, started: float) -> int:
    """Do the job and give its exit code; the summary goes to stdout. Raises YoloBacError when it cannot be done.

    `started`: the moment of `time.monotonic` that `settings.time_budget` counts from.
    """
    check_names(settings)
    _warn_of_loss(settings.project)
    plan = Plan.make(settings, started)
    previous = find_previous(plan.settings, plan.deciding())
    if previous:
        warn_of_engines(previous, plan.engine)
    require(wanted(plan.settings, plan.loaded.names))
    folder = claim(
        settings.project,
        settings.name,
        plan.identity(),
        part=plan.share.folder,
        exist_ok=settings.exist_ok,
        resume=settings.resume,
    )
    status = Status(folder, Counts(len(plan.listing)), plan.facts())
    try:
        status.write("running", None, "under way")
        stopper.last_words = _last_words(status, folder)
        _announce(plan, folder)
        plan.listing.options.scratch.folder = str(folder.scratch)
        with shortages_named("this run"), status.kept_fresh():
            return _Work(plan, folder, status).do(previous)
    except Exception as error:
        stopper.wait_if_stopping()
        status.fail(error)
        raise
    finally:
        folder.close()


class _Work:
    """What is done in the folder: records are kept, what is left is looked at, the files of the run are written."""

    def __init__(self, plan: Plan, folder: RunFolder, status: Status) -> None:
        self._plan, self._folder, self._status = plan, folder, status
        self._results = Results(folder, plan.settings, plan.loaded.names, plan.listing.files, plan.whole.files)
        self._is_done = bytearray(len(plan.listing))

    def do(self, previous: "Previous | None") -> int:
        """All of it; gives the exit code. Raises OutputError."""
        plan, counts = self._plan, self._status.counts
        if self._folder.continued:
            count_reusable(self._results, plan.listing, counts, self._is_done)
        if previous:
            from entrypoint.shards.previous import TakeOver

            taking = TakeOver(previous, self._folder, self._results, plan.loaded.names)
            is_here = is_among(plan.whole.files, plan.share.shard)
            take_over(taking, plan.listing, self._is_done, plan.deadline, self._status, is_here)
        self._look()
        return self._end()

    def _look(self) -> None:
        """Look at what is left, as long as there is time."""
        plan, status = self._plan, self._status
        rate = WritingRate(self._folder.scratch, plan.deadline)
        progress = Progress(len(plan.listing), status.counts.reused + status.counts.taken_over)

        def on_record(index: int, record: Record) -> None:
            self._is_done[index] = True
            status.counts.add(record)
            rate.add(record)
            status.throughput.step()
            progress.step(len(record.detections or ()))

        pipeline = Pipeline(
            plan.loaded.lanes,
            self._results,
            plan.loaded.names,
            batch_size=plan.loaded.batch_size,
            threads=limits.threads(),
            waiting_bytes=plan.loaded.waiting_bytes,
            deadline=plan.deadline,
            timings=status.timings,
        )
        pipeline.run(
            (plan.listing[index] for index in plan.listing.reading_order() if not self._is_done[index]), on_record
        )
        progress.close()

    def _end(self) -> int:
        """Write the files that are made of all records, and the verdict."""
        plan, status, counts = self._plan, self._status, self._status.counts
        left = self._is_done.count(0)
        out_of_time = bool(left or counts.failures[TIMED_OUT])
        exit_code = EXIT_MEDIA_FAILED if left or counts.failed > plan.settings.max_failures else EXIT_OK
        message = verdict(counts) if counts.total else plan.share.nothing(len(plan.whole))
        if out_of_time:
            message = (
                f"Out of time: --time-budget {plan.settings.time_budget:g} ended with {left} of {counts.total} not "
                f"done, {counts.failed} failed, {counts.detections} detections in {counts.done}; {how_to_go_on()}."
            )
        state: State = "stopped" if out_of_time else "finished"
        self._results.write_run(status.complete(state, exit_code, message), self._missing)
        status.write(state, exit_code, message)
        print_summary(summary(counts, self._folder.path, status.seconds, message, plan.loaded.notes))
        return exit_code

    def _missing(self, index: int) -> Record | None:
        return None if self._is_done[index] else Record.failed(self._plan.listing.files[index], _NOT_DONE)


def _warn_of_loss(project: Path) -> None:
    """Log where results vanish with the container: the first line of all."""
    if is_lost_with_the_container(project):
        LOG.warning(
            'results in %s are lost with the container, for nothing is mounted there: add `-v "$PWD/outputs:/outputs"` '
            "to docker run, `-o outputs:/outputs` and a publisher (`-p local`, `-p s3managed`, or `-p ipfs` where the "
            "nodes have IPFS) to bacalhau docker run",
            project,
        )


def _announce(plan: Plan, folder: RunFolder) -> None:
    weights, shard = plan.weights, plan.share.shard
    LOG.info("weights %s, sha256 %s, %d classes", printable(weights.label), weights.sha256, len(plan.loaded.names))
    share = f" in shard {shard.index} of {shard.count}" if shard else ""
    LOG.info("source %s: %d media%s%s", printable(plan.source), len(plan.listing), share, ignored(plan.listing))
    if not plan.listing:
        LOG.warning("the %s is empty: there is nothing to do", "shard" if shard else "source")
    LOG.info(
        "device %s, engine %s; results in %s%s",
        plan.loaded.devices,
        plan.engine,
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
