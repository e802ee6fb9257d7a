"""The commands of a document and the files of jobs/, read as Bacalhau's client reads them.

FLAGS lists what the client has (v1.7 to v1.9). Nothing is submitted here.
"""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parents[2]
JOBS = sorted((ROOT / "jobs").glob("*.yaml"))
GUIDE = ROOT / "docs" / "bacalhau.md"

Job = dict[str, Any]

RUN_FLAGS = {"wait": False, "wait-timeout-secs": True, "id-only": False, "node-details": False, "follow": False}
RUN_FLAGS |= {"dry-run": False, "group-events": False}
FLAGS: dict[str, dict[str, bool]] = {
    "docker run": RUN_FLAGS
    | dict.fromkeys(
        "name namespace target priority count constraints labels task-name input output publisher cpu memory disk gpu "
        "network domain timeout queue-timeout workdir entrypoint env".split(),
        True,
    ),
    "job run": RUN_FLAGS | {"force": False, "no-template": False, "template-vars": True, "template-envs": True},
    "job rerun": RUN_FLAGS,
    "job get": {"output-dir": True, "raw": False, "download-timeout-secs": True},
    "job describe": {"output": True, "pretty": False},
    "job logs": {"follow": False, "tail": False, "execution-id": True},
    "job executions": {"output": True},
    "job list": {"output": True, "limit": True},
    "job stop": {"quiet": False},
    "job validate": {},
    "node list": {"output": True},
    "config set": {},
    "serve": {"orchestrator": False, "compute": False},
    "version": {},
}
"""The client's long flags by command, and whether each takes a value; those in use here and some more."""
SHORT = {
    "docker run": dict(
        zip("iopelcwf", "input output publisher env labels constraints workdir follow".split(), strict=True)
    ),
    "job run": {"f": "follow", "V": "template-vars", "E": "template-envs"},
    "job logs": {"f": "follow", "t": "tail", "e": "execution-id"},
}


class Parsed(NamedTuple):
    """A line of the client: its flags in order, its arguments, and the words after `--`."""

    command: str
    flags: list[tuple[str, str]]
    arguments: list[str]
    words: list[str]

    def all(self, flag: str) -> list[str]:
        return [value for name, value in self.flags if name == flag]

    def one(self, flag: str, default: str | None = None) -> str | None:
        return next(iter(self.all(flag)), default)


def load_jobs() -> dict[str, Job]:
    """All job files by name (`sample` is jobs/sample.yaml)."""
    return {path.stem: read_job(path.read_text()) for path in JOBS}


def read_job(text: str) -> Job:
    """A job from YAML. Raises ValueError for a key that is there twice: the last one would win."""
    _refuse_duplicates(yaml.compose(text))
    job: Job = yaml.safe_load(text)
    return job


def _refuse_duplicates(node: Any) -> None:
    if isinstance(node, yaml.MappingNode):
        keys = [key.value for key, _ in node.value]
        if len(keys) != len(set(keys)):
            raise ValueError(f"a key is there twice{node.start_mark}")
        for _, value in node.value:
            _refuse_duplicates(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_duplicates(item)


def parse(line: str) -> Parsed:
    """A line as the client reads it. Raises AssertionError for a command or flag that it has not."""
    words = shlex.split(line, comments=True)
    assert words.pop(0) == "bacalhau"
    name = next((name for name in FLAGS if words[: len(name.split())] == name.split()), None)
    assert name, f"no such command: {line}"
    del words[: len(name.split())]
    parsed = Parsed(name, [], [], [])
    while words:
        word = words.pop(0)
        if word == "--":
            parsed.words.extend(words)
            break
        if not word.startswith("-"):
            parsed.arguments.append(word)
            continue
        flag, _, value = word.lstrip("-").partition("=")
        long = flag if word.startswith("--") else SHORT.get(name, {}).get(flag)
        assert long in FLAGS[name], f"no such flag: {word} in {line}"
        if FLAGS[name][long] and "=" not in word:
            assert words, f"{word} wants a value: {line}"
            value = words.pop(0)
        parsed.flags.append((long, value))
    return parsed


def shell_lines(document: Path) -> Iterator[tuple[str | None, str]]:
    """The commands in a document's sh blocks, each with what the comment before its block names."""
    blocks = re.finditer(r"(?:<!-- (\S+) -->\n)?```sh\n(.*?)```", document.read_text(), re.DOTALL)
    for block in blocks:
        text = block[2].replace("\\\n", " ")
        for line in re.findall(r"(?:[^\n']|'[^']*')+", text):
            yield block[1], line.strip()


def client_lines(document: Path) -> list[tuple[str | None, Parsed]]:
    return [(name, parse(line)) for name, line in shell_lines(document) if line.startswith("bacalhau ")]


def job_of(line: Parsed) -> Job:
    """The job that `bacalhau docker run` submits, as a job file says it."""
    image, *more = line.arguments
    assert not more, "words for the program go after --"
    parameters = {"Parameters": line.words} if line.words else {}
    inputs = [_input(value) for value in line.all("input")]
    kind = "ops" if line.one("target") == "all" else "batch"
    return {
        "Type": kind,
        **({"Count": int(line.one("count", "1") or 1)} if kind == "batch" else {}),
        **({"Constraints": [_constraint(value) for value in line.all("constraints")]} if kind == "ops" else {}),
        "Tasks": [
            {
                "Engine": {"Type": "docker", "Params": {"Image": image, **parameters}},
                **({"InputSources": inputs} if inputs else {}),
                "ResultPaths": [dict(zip(("Name", "Path"), o.split(":"), strict=True)) for o in line.all("output")],
                "Publisher": _publisher(line.one("publisher") or ""),
                "Resources": {
                    key: line.one(key.lower()) for key in ("CPU", "Memory", "GPU") if line.one(key.lower()) is not None
                },
                "Network": {"Type": (line.one("network") or "").capitalize()},
                "Timeouts": {
                    "ExecutionTimeout": int(line.one("timeout") or 0),
                    "QueueTimeout": int(line.one("queue-timeout") or 0),
                },
            }
        ],
    }


def _constraint(value: str) -> dict[str, Any]:
    key, operator, label = value.partition("=")
    return {"Key": key, "Operator": operator, "Values": [label]}


def _input(value: str) -> dict[str, Any]:
    """Of `URI[:TARGET][,opt=KEY=VALUE…]`: the last colon that is not the scheme's parts URI and target."""
    uri, *options = value.split(",")
    scheme, _, rest = uri.partition("://")
    place, colon, target = rest.rpartition(":")
    place, target = (place, target) if colon else (rest, "/inputs")
    params: dict[str, Any] = {option.split("=")[1].capitalize(): option.split("=")[2] for option in options}
    match scheme:
        case "ipfs":
            source = {"Type": "ipfs", "Params": {"CID": place}}
        case "file":
            source = {"Type": "localDirectory", "Params": {"SourcePath": place, "ReadWrite": False}}
        case "s3":
            bucket, _, key = place.partition("/")
            source = {"Type": "s3", "Params": {"Bucket": bucket, "Key": key, **params}}
        case _:
            source = {"Type": "urlDownload", "Params": {"URL": f"{scheme}://{place}"}}
    return {"Target": target, "Source": source}


def _publisher(value: str) -> dict[str, Any]:
    uri, *options = value.split(",")
    scheme, _, place = uri.partition("://")
    if not place:
        return {"Type": scheme}
    bucket, _, key = place.partition("/")
    params = {option.split("=")[1].capitalize(): option.split("=")[2] for option in options}
    return {"Type": scheme, "Params": {"Bucket": bucket, "Key": key, **params}}
