"""The guide's jobs with this network's image, sizes and addresses in place of the guide's; all else stays."""

import copy
from pathlib import Path
from typing import Any

from entrypoint.sources.samples import DEMO_WEIGHTS
from scripts.nodesmoke.bench import CPU, MEMORY, Bench, checkout
from scripts.nodesmoke.guide import Job, Parsed, job_of
from scripts.nodesmoke.network import LeftOutError
from scripts.smoke.media import write_media

_REGION = "us-east-1"


def file(bench: Bench, job: Job) -> Job:
    """A job file's job. Raises LeftOutError where the network cannot run it."""
    job = copy.deepcopy(job)
    (task,) = job["Tasks"]
    task["Engine"]["Params"]["Image"] = bench.image
    task["Resources"] = {"CPU": CPU, "Memory": MEMORY}
    task["InputSources"] = _inputs(bench, task.get("InputSources", []))
    task["Publisher"] = _publisher(bench, task["Publisher"])
    if "Count" in job:
        job["Count"] = min(job["Count"], len(bench.network.nodes))
    if "Constraints" in job and not any(bench.label in node.labels for node in bench.network.nodes):
        raise LeftOutError(f"no node has the label {bench.label}")
    for constraint in job.get("Constraints", ()):
        constraint["Key"], _, constraint["Values"][0] = bench.label.partition("=")
    return job


def line(bench: Bench, parsed: Parsed) -> list[str]:
    """The words of a line `bacalhau docker run …` from the options on. Raises LeftOutError."""
    job = file(bench, job_of(parsed))
    (task,) = job["Tasks"]
    kept = [(flag, value) for flag, value in parsed.flags if flag not in ("input", "gpu", "publisher")]
    here = {"cpu": CPU, "memory": MEMORY, "count": str(job.get("Count", 1)), "constraints": bench.label}
    words = [word for flag, value in kept for word in (f"--{flag}", here.get(flag, value))]
    words += ["-p", _publisher_text(task["Publisher"])]
    words += [word for entry in task["InputSources"] for word in ("-i", _input_text(entry))]
    return [*words, bench.image, *(["--", *parsed.words] if parsed.words else [])]


def _inputs(bench: Bench, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if not entries and not bench.has_baked_weights:
        entries = [{"Target": "/inputs", "Source": {"Type": "urlDownload", "Params": {"URL": ""}}}]
    return [{"Target": entry["Target"], "Source": _source(bench, entry)} for entry in entries]


def _source(bench: Bench, entry: dict[str, Any]) -> dict[str, Any]:
    source, target = entry["Source"], entry["Target"]
    match source["Type"]:
        case "urlDownload":
            params = {"URL": bench.weights}
        case "ipfs" if target == "/previous":
            params = {"CID": bench.on_ipfs(_earlier(bench))}
        case "ipfs":
            params = {"CID": bench.cid}
        case "localDirectory":
            place = bench.in_folder("images", bench.media) if target == "/datasets" else bench.local_weights
            params = {**source["Params"], "SourcePath": place}
        case _:
            params = {**source["Params"], "Bucket": bench.bucket, "Key": bench.key, **_service(bench)}
    return {"Type": source["Type"], "Params": params}


def _earlier(bench: Bench) -> Path:
    """The results of a run over the media without the scenes."""
    some, out = bench.new("some"), bench.new("earlier")
    write_media(some)
    checkout("--weights", str(DEMO_WEIGHTS), "--source", str(some), "--project", str(out)).check_returncode()
    return out


def _publisher(bench: Bench, publisher: dict[str, Any]) -> dict[str, Any]:
    bench.network.wants(publisher=publisher["Type"])
    if publisher["Type"] != "s3":
        return publisher
    bench.key  # noqa: B018 - the bucket is there
    return {"Type": "s3", "Params": {**publisher["Params"], "Bucket": bench.bucket, **_service(bench)}}


def _service(bench: Bench) -> dict[str, str]:
    return {"Region": _REGION, "Endpoint": bench.s3 or ""}


def _input_text(entry: dict[str, Any]) -> str:
    """An input as `-i` takes it."""
    params, target = entry["Source"]["Params"], entry["Target"]
    match entry["Source"]["Type"]:
        case "urlDownload":
            return f"{params['URL']}:{target}"
        case "ipfs":
            return f"ipfs://{params['CID']}:{target}"
        case "localDirectory":
            return f"file://{params['SourcePath']}:{target}"
        case _:
            return f"s3://{params['Bucket']}/{params['Key']}:{target}{_options(params)}"


def _publisher_text(publisher: dict[str, Any]) -> str:
    if publisher["Type"] != "s3":
        return str(publisher["Type"])
    params = publisher["Params"]
    return f"s3://{params['Bucket']}/{params['Key']}{_options(params)}"


def _options(params: dict[str, Any]) -> str:
    return "".join(f",opt={name.lower()}={params[name]}" for name in ("Region", "Endpoint"))
