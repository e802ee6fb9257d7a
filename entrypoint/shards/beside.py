"""Runs of different sources beside each other: what each is called, and what is said of it."""

from collections.abc import Sequence
from typing import Any

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
    while len({path[0] for path in paths}) == 1:
        paths = [path[1:] for path in paths]
    while len({path[-1] for path in paths}) == 1 and min(map(len, paths)) > 1:
        paths = [path[:-1] for path in paths]
    return tuple("/".join(path) for path in paths)


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
