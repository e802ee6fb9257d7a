"""Every command and every job file of the guide is a check: it runs, and gives what the checkout gives."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from entrypoint.sources.samples import DEMO_SCENES, bundled_images
from scripts.nodesmoke import client, here
from scripts.nodesmoke.bench import Bench, counts
from scripts.nodesmoke.guide import GUIDE, Job, Parsed, client_lines, job_of, load_jobs
from scripts.smoke.bench import close, expect, records
from scripts.smoke.media import FILES

Check = Callable[[Bench], None]


def guide_checks() -> Iterator[tuple[str, Check]]:
    """Each with its name, in the order of the guide and of the folder."""
    for number, (file, line) in enumerate(client_lines(GUIDE), 1):
        if line.command == "docker run":
            where = file or f"`{line.words[0]} {line.words[1]}`"
            yield f"{where} as line {number} of the guide", _command(line)
    for name, job in load_jobs().items():
        yield f"jobs/{name}.yaml", _file(job)


def _command(line: Parsed) -> Check:
    def check(bench: Bench) -> None:
        words = here.line(bench, line)
        _compare(bench, job_of(line), client.submit("docker run", *words))

    return check


def _file(job: Job) -> Check:
    def check(bench: Bench) -> None:
        changed = here.file(bench, job)
        path = bench.new("job") / "job.yaml"
        path.write_text(json.dumps(changed))
        _compare(bench, job, client.submit("job run", str(path)))

    return check


def _compare(bench: Bench, job: Job, submitted: str) -> None:
    """Fail the check unless the job gives what the checkout gives on this machine."""
    described = client.wait(submitted)
    (task,) = job["Tasks"]
    words = task["Engine"]["Params"].get("Parameters", [])
    targets = {one["Target"] for one in task.get("InputSources", ())}
    source = bench.media if "/datasets" in targets else bundled_images()
    if job["Type"] == "ops":
        _side_by_side(bench, described, source)
        return
    run = bench.results(described)
    close(records(run), bench.reference(source, *_for_one(words)))
    if "/previous" in targets:
        expect((counts(run)["taken_over"], counts(run)["new"]), (len(FILES), len(list(DEMO_SCENES.iterdir()))))


def _for_one(words: list[str]) -> list[str]:
    """The options that one run over all of the source takes in place of the job's."""
    if words[:1] == ["/bin/bash"]:
        return []
    if words[:2] in (["--shard", "auto"], ["--shard", "none"]):
        return words[2:]
    return words


def _side_by_side(bench: Bench, described: client.Described, source: Path) -> None:
    """An ops job: a run for each node, every image of each there once after the merge."""
    labelled = [node for node in bench.network.nodes if bench.label in node.labels]
    expect([one.code for one in described.completed], [0] * len(labelled))
    fetched = client.get(described.id, bench.new("results"))
    merged = bench.merged(fetched, "--side-by-side")
    once = [record["file"] for record in bench.reference(source)]
    files = sorted(record["file"] for record in records(merged))
    expect(files, sorted(f"{one.id}/{file}" for one in described.completed for file in once))
