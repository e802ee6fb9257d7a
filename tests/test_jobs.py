"""The job files, and the commands in the documents: today's server and client take them, and nothing is ignored.

Bacalhau refuses unknown keys at the top of a job and silently ignores them further down, so SCHEMA lists all that
jobs here may use. Not covered: running them, which is what scripts/node-smoke does.
"""

import copy
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from jsonschema import Draft202012Validator, ValidationError

from entrypoint import __version__, errors
from entrypoint.cli.command import command
from scripts.nodesmoke.guide import GUIDE, JOBS, Job, client_lines, job_of, load_jobs, parse, read_job, shell_lines
from scripts.smoke.checks import VARIANTS
from tests.conftest import ROOT

DOCUMENTS = [ROOT / "README.md", GUIDE]
IMAGE = "myorg/yolo-bac"


def exactly(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    """The schema of an object with exactly these keys."""
    return {
        "type": "object",
        "properties": required | (optional or {}),
        "required": list(required),
        "additionalProperties": False,
    }


def spec(kind: str, required: dict[str, Any] | None = None, optional: dict[str, Any] | None = None) -> dict[str, Any]:
    """The schema of Bacalhau's pair of Type and Params."""
    if not required and not optional:
        return exactly({"Type": {"const": kind}})
    return exactly({"Type": {"const": kind}, "Params": exactly(required or {}, optional)})


TEXT = {"type": "string", "minLength": 1}
WORDS = {"type": "array", "items": {"type": "string"}, "minItems": 1}
SECONDS = {"type": "integer", "minimum": 1}
PATH = {"type": "string", "pattern": "^/[^:]*[^:/]$"}

PARTITION = {
    "oneOf": [
        exactly({"Type": {"enum": ["none", "object"]}}),
        exactly({"Type": {"const": "regex"}, "Pattern": TEXT}),
        exactly({"Type": {"const": "substring"}, "StartIndex": {"type": "integer"}, "EndIndex": {"type": "integer"}}),
        exactly({"Type": {"const": "date"}, "DateFormat": TEXT}),
    ]
}
SOURCE = {
    "oneOf": [
        spec("urlDownload", {"URL": {"type": "string", "pattern": "^https?://"}}),
        spec("ipfs", {"CID": TEXT}),
        spec(
            "s3",
            {"Bucket": TEXT, "Key": TEXT},
            {"Region": TEXT, "Endpoint": TEXT, "Filter": TEXT, "Partition": PARTITION},
        ),
        spec("localDirectory", {"SourcePath": PATH}, {"ReadWrite": {"type": "boolean"}}),
    ]
}
PUBLISHER = {
    "oneOf": [
        spec("ipfs"),
        spec("local"),
        spec("s3managed"),
        spec("s3", {"Bucket": TEXT, "Key": TEXT}, {"Region": TEXT, "Endpoint": TEXT}),
    ]
}
NETWORK = {
    "oneOf": [
        exactly({"Type": {"enum": ["None", "Full", "Bridge"]}}),
        exactly({"Type": {"const": "HTTP"}, "Domains": WORDS}),
    ]
}
TASK = exactly(
    {
        "Name": TEXT,
        # No Entrypoint: it replaces the image's, even where it is empty.
        "Engine": spec("docker", {"Image": TEXT}, {"Parameters": WORDS}),
        "ResultPaths": {
            "type": "array",
            "items": exactly({"Name": TEXT, "Path": PATH}),
            "contains": {"properties": {"Path": {"const": "/outputs"}}},
        },
        "Publisher": PUBLISHER,
        "Resources": exactly(
            {"CPU": {"type": "string", "pattern": r"^\d+(\.\d+|m)?$"}, "Memory": TEXT},
            {"GPU": {"type": "string", "pattern": r"^\d+$"}},
        ),
        "Network": NETWORK,
        "Timeouts": exactly({"ExecutionTimeout": SECONDS, "QueueTimeout": SECONDS, "TotalTimeout": SECONDS}),
    },
    {
        "Env": {
            "type": "object",
            "patternProperties": {"^(?!BACALHAU_)[A-Z][A-Z0-9_]*$": TEXT},
            "additionalProperties": False,
        },
        "InputSources": {"type": "array", "items": exactly({"Target": PATH, "Source": SOURCE}), "minItems": 1},
    },
)
# No Name: since v1.8 a second job of the same name is refused, or replaces the first one.
TASKS = {"Tasks": {"type": "array", "items": TASK, "minItems": 1, "maxItems": 1}}
CONSTRAINTS = {
    "Constraints": {
        "type": "array",
        "items": exactly({"Key": TEXT, "Operator": TEXT}, {"Values": WORDS}),
        "minItems": 1,
    }
}
SCHEMA = {
    "oneOf": [
        exactly({"Type": {"const": "batch"}, "Count": {"type": "integer", "minimum": 1}, **TASKS}, CONSTRAINTS),
        # On every node that fits, so one without constraints runs on nodes that have nothing to look at.
        exactly({"Type": {"const": "ops"}, **CONSTRAINTS, **TASKS}),
    ]
}


def check(job: Job) -> None:
    """Raises ValidationError, or AssertionError for what a schema cannot say."""
    Draft202012Validator(SCHEMA).validate(job)
    (task,) = job["Tasks"]
    image, _, tag = task["Engine"]["Params"]["Image"].partition(":")
    assert image == IMAGE
    assert_tag(tag)
    words = task["Engine"]["Params"].get("Parameters", [])
    assert_words(words)
    assert number_of_bytes(task["Resources"]["Memory"]) >= 2e9

    inputs = task.get("InputSources", [])
    targets = [entry["Target"] for entry in inputs] + [entry["Path"] for entry in task["ResultPaths"]]
    assert len(targets) == len(set(targets)), targets
    times = task["Timeouts"]
    assert times["ExecutionTimeout"] + times["QueueTimeout"] <= times["TotalTimeout"]
    if "--time-budget" in words:
        assert float(words[words.index("--time-budget") + 1]) < times["ExecutionTimeout"]
    split = any("Partition" in entry["Source"].get("Params", {}) for entry in inputs)
    said_split = words[:2] == ["--shard", "none"]
    shared = ("--shard" in words and not said_split) or "YOLO_BAC_SHARD" in task.get("Env", {})
    assert (job.get("Count", 1) > 1) == (split or shared), (
        "several executions, and no one shares the work out; or for one alone"
    )
    assert not (split and shared), "shared out twice"
    assert split == said_split, "each execution warns that nobody shares the work out"
    publisher = task["Publisher"]
    if publisher["Type"] == "s3":
        assert "{executionID}" in publisher["Params"]["Key"], "executions overwrite each other"


def assert_tag(tag: str) -> None:
    """It is this version, of one of the variants that are released."""
    assert tag in {__version__, *(f"{__version__}-{variant}" for variant in VARIANTS)}


def assert_words(words: list[str]) -> None:
    """The program has these options, and takes these values."""
    if words and words[0] in command.commands:
        command.commands[words[0]].make_context(words[0], words[1:])
    else:
        context = command.make_context("yolo-bac", list(words))
        assert not context.args, context.args
        assert not getattr(context, "_protected_args", []), words


def number_of_bytes(text: str) -> float:
    """As Bacalhau reads sizes: 8gb is 8,000,000,000, 8gib is a little more."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?", text.lower())
    assert found, text
    unit, power = 1024 if found[3] else 1000, " kmgt".index(found[2] or " ")
    return float(found[1]) * float(unit**power)


def as_flags_can_say(job: Job) -> Job:
    """Without what no flag says: the task's name, the total timeout, and Partition, for which --shard stands in."""
    job = copy.deepcopy(job)
    (task,) = job["Tasks"]
    del task["Name"], task["Timeouts"]["TotalTimeout"]
    for entry in task.get("InputSources", []):
        if entry["Source"]["Params"].pop("Partition", None):
            task["Engine"]["Params"]["Parameters"][:2] = ["--shard", "auto"]
    return job


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_there_is_a_file_for_every_case() -> None:
    assert list(load_jobs()) == ["cpu", "edge", "ipfs", "local", "s3", "sample", "shards", "video"]


@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.stem)
def test_a_job_file_is_taken_as_it_is_meant(path: Path) -> None:
    text = path.read_text()
    check(read_job(text))
    assert "{{" not in text, "`bacalhau job run` expands templates"


@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.stem)
def test_a_job_file_opens_with_how_to_submit_it(path: Path) -> None:
    lines = path.read_text().splitlines()
    opening = lines[: next(number for number, line in enumerate(lines) if not line.startswith("#"))]
    assert 1 <= len(opening) <= 4
    assert f"# Submit: bacalhau job run jobs/{path.name}" in opening
    assert any(line.startswith("# Change: ") for line in opening)
    assert max(map(len, lines)) <= 120


def _task(job: Job) -> dict[str, Any]:
    task: dict[str, Any] = job["Tasks"][0]
    return task


def _set(place: Callable[[Job], dict[str, Any]], **values: object) -> Callable[[Job], None]:
    return lambda job: place(job).update(values)


def _word(*words: str) -> Callable[[Job], None]:
    return lambda job: _task(job)["Engine"]["Params"].update(Parameters=list(words))


@pytest.mark.parametrize(
    "harm",
    [
        _set(lambda job: job, Nmae="x"),  # refused by the server
        _set(lambda job: job, Name="x"),  # the second submission is refused
        _set(_task, ResourcesConfig={"Memory": "8gb"}),  # ignored, and the job gets 512 MB
        _set(lambda job: _task(job)["Resources"], Memory="512mb"),  # what nobody asked for gets
        _set(lambda job: _task(job)["Resources"], CPU=4),  # a string there
        _set(lambda job: _task(job)["Timeouts"], Timeout=60),  # ignored
        _set(lambda job: _task(job)["Timeouts"], ExecutionTimeout=86400),  # refused: longer than the total
        _set(lambda job: _task(job)["Engine"]["Params"], Entrypoint=[]),  # the image's start is gone
        _set(lambda job: _task(job)["Engine"]["Params"], Image=f"{IMAGE}:latest"),  # never refreshed
        _set(lambda job: _task(job)["Network"], Type="none at all"),
        _set(_task, Env={"yolo_bac_name": "x"}),  # lower case is refused
        _set(_task, Env={"YOLO_BAC_NAME": ""}),  # so is nothing
        _set(_task, Env={"BACALHAU_PARTITION_COUNT": "4"}),  # and a name of Bacalhau's own
        _set(_task, ResultPaths=[{"Name": "results", "Path": "/results"}]),  # /outputs is lost
        _set(_task, Publisher={"Type": "ipfs", "Params": {"Bucket": "b"}}),
        _set(lambda job: _task(job)["InputSources"][0]["Source"]["Params"], Url="https://example.org"),  # ignored
        lambda job: _task(job)["InputSources"].append(_task(job)["InputSources"][0]),  # one target twice
        lambda job: job.update(Count=4),  # four times the same
        lambda job: _task(job).pop("Publisher"),
        lambda job: _task(job).pop("Timeouts"),
        _word("--shard", "auto"),  # with one execution
        _word("--no-such-option"),
        _word("--conf-thres", "2"),
        _word("--time-budget", "1800"),  # as long as the timeout, which counts more
        _word("images"),  # no option, and no command
    ],
)
def test_a_job_that_would_go_wrong_is_noticed(harm: Callable[[Job], None]) -> None:
    job = load_jobs()["sample"]
    check(job)
    harm(job)
    with pytest.raises((ValidationError, AssertionError, click.ClickException)):
        check(job)


def test_sharing_out_twice_is_noticed() -> None:
    job = load_jobs()["s3"]
    _word("--shard", "auto")(job)
    with pytest.raises(AssertionError, match="twice"):
        check(job)


def test_a_key_that_is_there_twice_is_noticed() -> None:
    with pytest.raises(ValueError, match="twice"):
        read_job("Tasks:\n  - Name: a\n    Name: b\n")


@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.stem)
def test_the_guide_has_each_job_as_a_command(path: Path) -> None:
    (line,) = [line for name, line in client_lines(GUIDE) if name == f"jobs/{path.name}"]
    assert line.command == "docker run"
    assert job_of(line) == as_flags_can_say(read_job(path.read_text()))
    assert f"](../jobs/{path.name})" in GUIDE.read_text()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_the_client_takes_every_line(document: Path) -> None:
    lines = [line for _, line in client_lines(document)]
    assert lines
    for line in lines:
        if line.command == "docker run":
            image, *more = line.arguments
            assert image.startswith(f"{IMAGE}:")
            assert not more
            assert line.one("output") == "outputs:/outputs"
            assert line.one("publisher")
            assert number_of_bytes(line.one("memory") or "512mb") >= 2e9
            if line.words[:1] != ["/bin/bash"]:
                assert_words(line.words)
        if line.command == "job run":
            assert (ROOT / line.arguments[0]).is_file()


@pytest.mark.parametrize(
    "line",
    [
        "bacalhau get JOB",
        "bacalhau docker run --input-urls https://example.org ubuntu",
        "bacalhau docker run -v cid:/inputs ubuntu",
        "bacalhau docker run ubuntu --gpu",
        "bacalhau job run --timeout 60 job.yaml",
    ],
)
def test_what_the_client_has_not_is_noticed(line: str) -> None:
    with pytest.raises(AssertionError):
        parse(line)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_docker_lines_run_this_version_with_options_it_has(document: Path) -> None:
    for _, line in shell_lines(document):
        words = shlex.split(line, comments=True)
        for number, word in enumerate(words):
            image, colon, tag = word.partition(":")
            if image == IMAGE and colon:
                assert_tag(tag)
                if words[:2] == ["docker", "run"]:
                    assert_words(words[number + 1 :])
            if word.endswith("bin/yolo-bac"):
                assert_words(words[number + 1 :])


def test_the_guide_lists_every_exit_code() -> None:
    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", GUIDE.read_text(), re.MULTILINE)}
    kinds = [getattr(errors, name) for name in dir(errors)]
    raised = {kind.exit_code for kind in kinds if isinstance(kind, type) and issubclass(kind, errors.YoloBacError)}
    own = {code for code in codes if code <= errors.EXIT_SIGNAL}
    assert own == raised | {errors.EXIT_OK, errors.EXIT_MEDIA_FAILED}


def test_the_guide_says_how_much_a_node_pulls() -> None:
    for _, on_disk, compressed in VARIANTS.values():
        assert f"{compressed} GB, {on_disk} GB on disk" in GUIDE.read_text()


def test_the_guide_can_be_read_and_its_links_lead_somewhere() -> None:
    text = GUIDE.read_text()
    assert max(map(len, text.splitlines())) <= 120
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
        assert (GUIDE.parent / target).exists(), target
    headings = {re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in re.findall(r"^#+ (.+)", text, re.M)}
    for path in JOBS:
        for anchor in re.findall(r"docs/bacalhau\.md#(\S+)", path.read_text()):
            assert anchor in headings, anchor
