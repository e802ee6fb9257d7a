"""What of a run is done already: by an earlier attempt in its own folder, or by runs that it is told of."""

import os
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from entrypoint.host import limits
from entrypoint.log import LOG
from entrypoint.results.results import Results
from entrypoint.results.status import Counts, Status
from entrypoint.run.deadline import Deadline
from entrypoint.settings import PREVIOUS, Settings
from entrypoint.shard import Shard
from entrypoint.sources.listing import Listing
from entrypoint.text import printable

if TYPE_CHECKING:
    from entrypoint.shards.previous import Previous, TakeOver


def find_previous(settings: Settings, identity: dict[str, Any]) -> "Previous | None":
    """The earlier runs that apply: those of --previous, else those that are mounted, else none.

    Raises SourceError when they are of another `identity`, or when there are none where the option says.
    """
    if not settings.previous and not PREVIOUS.exists():
        return None
    from entrypoint.shards.previous import Previous  # with it what reads archives, which few runs need
    from entrypoint.shards.search import NoPartError

    if settings.previous:
        return Previous.find(settings.previous, identity)
    LOG.info("%s is there: what its runs have finished is taken over", PREVIOUS)
    try:
        return Previous.find(PREVIOUS, identity)
    except NoPartError as error:
        LOG.warning("%s", error)
        return None


def count_reusable(results: Results, listing: Listing, counts: Counts, is_done: bytearray) -> None:
    """Mark the media that have detections from an earlier attempt; those that failed or changed are not among them."""
    for medium in listing:
        if done := results.reusable(medium.index, medium.state()):
            counts.reuse(done)
            is_done[medium.index] = True


def take_over(
    taking: "TakeOver",
    listing: Listing,
    is_done: bytearray,
    deadline: Deadline,
    status: Status,
    is_here: Callable[[str], bool],
) -> None:
    """Take over what earlier runs have of the media that are not done, and mark these.

    `is_here`: whether an input of that name is there, or does not concern this run. Raises OutputError.
    """
    counts = status.counts
    left = (place for place in listing.reading_order() if not is_done[place])
    for place, record in taking.run(listing, left, deadline.passed, deadline.within, limits.threads(), is_here):
        counts.add(record, taken_over=True)
        is_done[place] = True
    counts.new, counts.gone = counts.total - counts.reused - counts.taken_over, taking.gone
    LOG.info("%d taken over from earlier runs, %d new, %d gone", counts.taken_over, counts.new, counts.gone)


def is_among(files: Sequence[str], shard: Shard | None) -> Callable[[str], bool]:
    """Tells whether a name is one of the sorted `files` of the source, or none that the shard looks at."""

    def is_here(file: str) -> bool:
        if shard and not shard.holds(file):
            return True
        place = bisect_left(files, file)
        return place < len(files) and files[place] == file

    return is_here


def warn_of_engines(previous: "Previous", engine: str) -> None:
    """Say where earlier runs were computed by something else."""
    others = previous.engines() - {engine}
    if others:
        LOG.warning(
            "what is taken over was computed by another engine (%s, here %s), so last digits may differ",
            printable(", ".join(sorted(others))),
            engine,
        )


def how_to_go_on(environment: Mapping[str, str] = os.environ) -> str:
    """What to do about a run that did not come to its end, where this one is running."""
    if environment.get("BACALHAU_JOB_ID"):
        return "a new job goes on from what this one publishes: mount that with `-i …:/previous`"
    return "the same command continues"
