"""What only a network shows: names of downloads, limits, refusals, stops, time budgets and lost nodes."""

import os
import subprocess
import time
import zipfile
from collections.abc import Callable
from functools import partial

import click
import numpy as np
from PIL import Image

from entrypoint.sources.samples import DEMO_SCENES
from scripts.nodesmoke import client
from scripts.nodesmoke.bench import Bench, counts
from scripts.nodesmoke.network import LeftOutError
from scripts.smoke.bench import close, expect, records

_MANY, _BUDGET = 1500, "12"
_NODE_LOST_SECONDS = 300  # a lost node's execution starts elsewhere after about one minute


def weights_under_a_uuid(bench: Bench) -> None:
    job = bench.run(inputs=(f"{bench.weights}:/inputs",))
    expect(job.completed[0].code, 0)
    named = next(line for line in job.completed[0].stderr.splitlines() if "weights /inputs/" in line)
    click.echo(f"     {named}")
    expect("shapes.pt" in named, False)


def two_urls_at_once(bench: Bench) -> None:
    scene = sorted(DEMO_SCENES.iterdir())[0]
    (bench.served / "scene.png").write_bytes(scene.read_bytes())
    inputs = (f"{bench.weights}:/inputs", f"{bench.url}/releases/scene.png:/datasets")
    jobs = [bench.submit(inputs=inputs) for _ in range(2)]
    reference = bench.reference(scene)
    for job in jobs:
        found = records(bench.results(client.wait(job)))
        expect([record["detections"] for record in found], [record["detections"] for record in reference])


def three_shards(bench: Bench) -> None:
    data = (f"{bench.weights}:/inputs", f"{many(bench, 60)}:/datasets")
    if len(bench.network.nodes) >= 3:
        run = bench.results(bench.run("--shard", "auto", inputs=data, count="3"))
    else:  # one after the other, as a part that is missing is done
        parts = bench.new("parts")
        for job in [bench.submit("--shard", f"{index}/3", inputs=data) for index in range(3)]:
            expect(client.wait(job).completed[0].code, 0)
            client.get(job, parts)
        run = bench.merged(parts)
    close(records(run), bench.reference(bench.served / "many-60.zip"))


def time_budget_and_previous(bench: Bench) -> None:
    data = (f"{bench.weights}:/inputs", f"{many(bench, _MANY)}:/datasets")
    first = bench.run("--time-budget", _BUDGET, inputs=data)
    (execution,) = first.completed
    expect((execution.code, "-i …:/previous" in execution.stdout), (5, True), execution)
    raw = client.get(first.id, bench.new("raw"), raw=True)
    (archive,) = raw.rglob("*.tar.gz")
    (bench.served / "earlier.tar.gz").write_bytes(archive.read_bytes())
    done = counts(client.get(first.id, bench.new("results")) / "outputs" / "exp")["done"]
    run = bench.results(bench.run(inputs=(*data, f"{bench.url}/earlier.tar.gz:/previous")))
    click.echo(f"     {done} of {_MANY} before the budget of {_BUDGET} s ended; {counts(run)['taken_over']} taken over")
    expect((0 < done < _MANY, counts(run)["taken_over"], counts(run)["new"]), (True, done, _MANY - done))
    close(records(run), bench.reference(bench.served / f"many-{_MANY}.zip"))


def other_weights_than_the_earlier_jobs(bench: Bench) -> None:
    if not (bench.served / "earlier.tar.gz").exists():
        raise LeftOutError("there is no earlier job")
    inputs = (f"{bench.weights}:/inputs", f"{many(bench, 60)}:/datasets", f"{bench.url}/earlier.tar.gz:/previous")
    (execution,) = bench.run("--conf-thres", "0.5", inputs=inputs).completed
    expect((execution.code, "conf_thres" in execution.stderr.splitlines()[0]), (4, True))
    click.echo(f"     {execution.stderr.splitlines()[0]}")


def memory_of_a_job_that_asks_for_none(bench: Bench) -> None:
    job = bench.run(inputs=(f"{bench.weights}:/inputs",), cpu="", memory="")
    if job.completed and job.completed[0].code == 7:
        expect("--memory" in job.completed[0].stderr.splitlines()[0], True)
    else:
        bench.results(job)


def wrong_usage_in_describe(bench: Bench) -> None:
    job = bench.run("--wieghts", "x", inputs=(f"{bench.weights}:/inputs",))
    shown = client.call("job", "describe", job.id)
    expect((job.completed[0].code, "--wieghts" in shown, "--weights" in shown), (2, True, True))


def outputs_not_declared(bench: Bench) -> None:
    job = bench.run(inputs=(f"{bench.weights}:/inputs",), output="", publisher="")
    expect("-o outputs:/outputs" in job.completed[0].stderr.splitlines()[0], True)


def stopped_job(bench: Bench) -> None:
    job = bench.submit(inputs=(f"{bench.weights}:/inputs", f"{many(bench, _MANY)}:/datasets"))
    _until_running(job, 1)
    client.stop(job)
    described = client.wait(job)
    expect((described.state, described.completed), ("Stopped", []))


def lost_node(bench: Bench) -> None:
    bench.network.wants(nodes=3)
    if not bench.lose:
        raise LeftOutError("--lose names no command that takes a node away")
    count = len(bench.network.nodes) - 1  # a node that had an execution gets no other one of the same job
    data = (f"{bench.weights}:/inputs", f"{many(bench, _MANY)}:/datasets")
    job = bench.submit("--shard", "auto", inputs=data, count=str(count), queue_timeout="600")
    _until_running(job, count)
    lost = next(filter(partial(_is_lost, bench.lose), (one.node for one in client.describe(job).executions)))
    began = time.monotonic()
    described = client.wait(job, _NODE_LOST_SECONDS)
    run = bench.results(described)
    click.echo(f"     {time.monotonic() - began:.0f} s from the loss of {lost} to the end")
    expect((len(described.executions), len(described.completed)), (count + 1, count))
    close(records(run), bench.reference(bench.served / f"many-{_MANY}.zip"))


def _is_lost(command: str, node: str) -> bool:
    return subprocess.run(command, shell=True, check=False, env={**os.environ, "NODE": node}).returncode == 0


def many(bench: Bench, count: int) -> str:
    """The URL of an archive of so many small scenes, no two of the same bytes."""
    path = bench.served / f"many-{count}.zip"
    if not path.exists():
        scenes = [Image.open(scene).convert("RGB").resize((160, 120)) for scene in sorted(DEMO_SCENES.iterdir())]
        folder = bench.new("many")
        with zipfile.ZipFile(path, "w") as archive:
            for number in range(count):
                pixels = np.array(scenes[number % len(scenes)])
                pixels[0, 0] = (number % 256, number // 256, 0)
                Image.fromarray(pixels).save(folder / "one.png")
                archive.write(folder / "one.png", f"{number:05}.png")
    return f"{bench.url}/{path.name}"


def _until_running(job: str, executions: int) -> None:
    """Wait until so many executions have been running for a moment."""
    for _ in range(240):
        if sum(one.state == "Running" for one in client.describe(job).executions) >= executions:
            time.sleep(4)
            return
        time.sleep(0.5)
    raise AssertionError(client.describe(job).shown())


CHECKS: tuple[Callable[[Bench], None], ...] = (
    weights_under_a_uuid,
    two_urls_at_once,
    three_shards,
    time_budget_and_previous,
    other_weights_than_the_earlier_jobs,
    memory_of_a_job_that_asks_for_none,
    wrong_usage_in_describe,
    outputs_not_declared,
    stopped_job,
    lost_node,
)
