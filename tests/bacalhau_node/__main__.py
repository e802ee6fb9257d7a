"""The node by hand: python -m tests.bacalhau_node run|table|failures."""

import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click

from tests.bacalhau_node import table
from tests.bacalhau_node.engine import EngineRunner
from tests.bacalhau_node.failures import BAKED, FAILING
from tests.bacalhau_node.inputs import SOURCES, Source
from tests.bacalhau_node.launch import Limits, Runner
from tests.bacalhau_node.node import VERSIONS, Execution, Job, Node
from tests.bacalhau_node.process import ProcessRunner
from tests.bacalhau_node.publish import SamePathError, job_get, job_get_raw


class _Input(click.ParamType[tuple[str, Source]]):
    name = "kind=path:target"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Source]:
        kind, _, rest = str(value).partition("=")
        path, _, target = rest.rpartition(":")
        if kind not in SOURCES or not target.startswith("/"):
            self.fail(f"{value!r} is not KIND=PATH:/TARGET, with KIND one of {', '.join(SOURCES)}", param, ctx)
        return target, SOURCES[kind](Path(path))


_image = click.option("--image", envvar="YOLO_BAC_IMAGE", help="Run this image in a container, not the checkout.")


@click.group()
def main() -> None:
    """Run the program as a Bacalhau node would."""


@main.command("table")
@click.option("--each", is_flag=True, help="Each kind once, not every combination.")
@_image
def print_table(each: bool, image: str | None) -> None:
    """Every kind of input × name of the weights × fate of the outputs; exit code 1 when one is not as specified."""
    rows = list(table.each_kind_once() if each else table.all_rows())
    faulty: list[table.Row] = []
    runner = _runner(image)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        data, node = table.make_data(Path(folder, "data")), Node(Path(folder, "node"), runner)

        def outcomes() -> Iterator[table.Outcome]:
            for outcome in pool.map(lambda row: table.outcome(row, data, node), rows):
                if outcome.faults:
                    faulty.append(outcome.row)
                yield outcome

        for line in table.lines(outcomes()):
            click.echo(line)
    click.echo(f"{len(rows)} combinations, {len(faulty)} not as specified")
    sys.exit(bool(faulty))


@main.command("failures")
@_image
def print_failures(image: str | None) -> None:
    """What a user gets to see of each failing case; exit code 1 when one does not name the cause and the fix."""
    runner, faulty = _runner(image), 0
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        node = Node(Path(folder, "node"), runner)
        baked = node.run(Job(arguments=("sh", "-c", BAKED))).code == 0
        cases = {name: case for name, case in FAILING.items() if not (baked and case.unless_baked)}
        ends = pool.map(lambda name: node.run(cases[name].job(Path(folder, name))), cases)
        for (name, case), execution in zip(cases.items(), ends, strict=True):
            faults = case.faults(execution)
            faulty += bool(faults)
            click.secho("; ".join([f"{name}: exit code {execution.code}", *faults]), bold=True)
            click.echo(f"{execution.stderr}{execution.stdout}")
    click.echo(f"{len(cases)} cases, {faulty} not as specified")
    sys.exit(bool(faulty))


@main.command()
@click.option("-i", "--input", "inputs", type=_Input(), multiple=True, help="For example ipfs=photos:/datasets.")
@click.option("--outputs/--no-outputs", default=True, show_default=True, help="Whether /outputs is declared.")
@click.option("-p", "--publisher", type=click.Choice(["local", "ipfs"]), default="local", show_default=True)
@click.option("--count", default=1, show_default=True, help="Partitions.")
@click.option("--type", type=click.Choice(["batch", "ops", "daemon"]), default="batch", show_default=True)
@click.option("--env", multiple=True, metavar="NAME=VALUE")
@click.option("--limits", is_flag=True, help="What a job gets that asks for nothing: 0.5 CPU, 512 MB.")
@click.option("--bacalhau", type=click.Choice(list(VERSIONS)), default="1.9", show_default=True, help="Its release.")
@click.option(
    "--lose", type=(int, float), multiple=True, metavar="INDEX SECONDS", help="Its node, then; it is retried."
)
@click.option("--stop", type=(int, float), multiple=True, metavar="INDEX SECONDS", help="Cancel it then.")
@click.option("--duplicate", type=int, multiple=True, metavar="INDEX", help="Run it twice.")
@click.option("--get", type=click.Path(path_type=Path), help="Merge what was published here, as `job get` does.")
@click.option("--raw", is_flag=True, help="With --get: a folder for each execution.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, resolve_path=True),
    help="Keep everything here.  [default: a new folder]",
)
@_image
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run(
    bacalhau: str,
    folder: Path | None,
    image: str | None,
    get: Path | None,
    raw: bool,
    lose: tuple[tuple[int, float], ...],
    stop: tuple[tuple[int, float], ...],
    duplicate: tuple[int, ...],
    **described: Any,
) -> None:
    """Run a job with ARGUMENTS, an execution a partition, and show what `job describe` would."""
    described["inputs"] = dict(described["inputs"])
    described["env"] = dict(word.partition("=")[::2] for word in described["env"])
    described["limits"] = Limits() if described["limits"] else None
    job, kept = Job(**described), folder or Path(tempfile.mkdtemp(prefix="yolo-bac-node-"))
    node = Node(kept, _runner(image), VERSIONS[bacalhau])

    def attempts(index: int) -> list[Execution]:
        lost = [node.start(job, index).lose(seconds) for which, seconds in lose if which == index]
        times = 1 + duplicate.count(index)
        return [*lost, *(node.start(job, index).finish(dict(stop).get(index, 3600)) for _ in range(times))]

    with ThreadPoolExecutor(2) as pool:
        executions = [execution for each in pool.map(attempts, range(job.count)) for execution in each]
    for execution in executions:
        _describe(execution)
    click.echo(f"all of it is in {kept}")
    if get:
        archives = [execution.published for execution in executions if execution.published]
        try:
            (job_get_raw if raw else job_get)(archives, get)
        except SamePathError as error:
            raise click.ClickException(str(error)) from error


def _describe(execution: Execution) -> None:
    click.secho(
        f"partition {execution.index}, {execution.id}: {execution.ended}, exit code {execution.code}, "
        f"{execution.seconds:.1f} s",
        bold=True,
    )
    click.echo(f"published: {execution.published or 'nothing'}")
    for what, paths in (("not published", execution.dropped), ("inputs changed", execution.changed_inputs())):
        if paths:
            click.echo(f"{what}: {', '.join(paths)}")
    click.echo(f"--- stdout\n{execution.stdout}--- stderr\n{execution.stderr}---")


def _runner(image: str | None) -> Runner:
    runner = EngineRunner(image) if image else ProcessRunner()
    if why := runner.unavailable():
        raise click.ClickException(why)
    return runner


if __name__ == "__main__":
    main()
