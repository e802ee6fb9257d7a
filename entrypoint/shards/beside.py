"""Runs of different sources beside each other: what each is called, and what is said of it."""

from collections.abc import Sequence
from typing import Any

from entrypoint.log import LOG
from entrypoint.results.runstatus import PARTS
from entrypoint.shards.parts import Part
from entrypoint.text import printable


def run_names(runs: Sequence[Part]) -> tuple[str, ...]:
    """A name for each run, which stands before the names of its inputs: of its path, what the runs do not share.

    Executions that have data of their own are called by their ids, wherever their results lie.
    """
    folders = tuple(printable(run.path.name) for run in runs)
    executions = all(run.decisive["source"].endswith(f" of {run.path.name}") for run in runs)
    if executions and len(set(folders)) == len(runs):
        return folders
    paths = [printable(run.path.resolve()).strip("/").split("/") for run in runs]
    if len(paths) == 1:
        return (paths[0][-1],)
    while len({path[0] for path in paths}) == 1 and min(map(len, paths)) > 1:
        paths = [path[1:] for path in paths]
    while len({path[-1] for path in paths}) == 1 and min(map(len, paths)) > 1:
        paths = [path[:-1] for path in paths]
    return tuple("/".join(path) for path in paths)


def without_repeats(runs: Sequence[Part]) -> list[Part]:
    """The runs, but what an earlier merge has made of some of them: all that it holds is there already."""
    there = {printable(run.path.absolute()) for run in runs}
    kept: list[Part] = []
    for run in runs:
        parts = run.status.identity.get(PARTS)
        if isinstance(parts, list) and parts and there.issuperset(map(str, parts)):
            LOG.warning("%s was merged from runs that are here, too: it is left out", printable(run.path))
        else:
            kept.append(run)
    return kept or list(runs)


def said_of_runs(runs: Sequence[Part], names: Sequence[str]) -> list[dict[str, Any]]:
    """What status.json has of each run."""
    return [
        {
            "name": name,
            "source": run.status.source,
            "state": run.status.state,
            "exit_code": run.status.exit_code,
            "message": run.status.message,
            "counts": run.status.counts,
        }
        for name, run in zip(names, runs, strict=True)
    ]
