"""What every check works with: the image, the network, the inputs that nodes can take, and what must come out."""

import json
import os
import shutil
import subprocess
import sys
import uuid
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from entrypoint.sources.samples import DEMO_SCENES, DEMO_WEIGHTS
from scripts.nodesmoke import client
from scripts.nodesmoke.client import Described
from scripts.nodesmoke.network import LeftOutError, Network
from scripts.smoke.bench import expect, records
from scripts.smoke.media import write_media

CPU, MEMORY = "1", "2gb"
"""What a job asks for in place of the guide's sizes, so that a laptop runs it."""


@dataclass
class Bench:
    """`served`: a folder whose files nodes get below `url`; `folder`: one that nodes and this machine share.

    `s3`: the endpoint of an S3 service with the bucket `bucket`. `lose`: a command that takes a node away. `label`:
    of the nodes that an ops job is for.
    """

    image: str
    root: Path
    network: Network
    served: Path
    url: str
    folder: Path | None
    s3: str | None
    bucket: str
    label: str
    lose: str | None
    _names: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        shutil.copy(DEMO_WEIGHTS, self.served / "shapes.pt")
        self.weights = f"{self.url}/releases/shapes.pt"
        self.mark = f"node-smoke-{uuid.uuid4().hex[:8]}"  # of what is this run's in a shared folder or bucket

    def close(self) -> None:
        """Remove what lies in the folder that the nodes share with this machine."""
        if self.folder:
            shutil.rmtree(self.folder / self.mark, ignore_errors=True)

    def new(self, name: str) -> Path:
        """A new folder of this machine."""
        self._names += 1
        path = self.root / f"{self._names}-{name}"
        path.mkdir()
        return path

    @cached_property
    def has_baked_weights(self) -> bool:
        """Whether the image brings weights; the engine of this machine is asked."""
        command = ["docker", "run", "--rm", "--network", "none", self.image, "ls", "/opt/yolo-bac/weights"]
        return bool(subprocess.run(command, capture_output=True, check=True).stdout.strip())

    @cached_property
    def media(self) -> Path:
        """A folder of the demo's scenes and media of every kind."""
        folder = self.new("media")
        write_media(folder)
        shutil.copytree(DEMO_SCENES, folder / "scenes")
        return folder

    @cached_property
    def cid(self) -> str:
        """The media on IPFS. Raises LeftOutError."""
        return self.on_ipfs(self.media)

    def on_ipfs(self, folder: Path) -> str:
        """Add a folder to IPFS and give its CID. Raises LeftOutError."""
        self.network.wants(sources=["ipfs"], publisher="ipfs")
        if not shutil.which("ipfs"):
            raise LeftOutError("there is no `ipfs` on PATH to put inputs on IPFS with")
        added = subprocess.run(["ipfs", "add", "-r", "-Q", str(folder)], capture_output=True, text=True, check=True)
        return added.stdout.strip()

    def in_folder(self, name: str, files: Path) -> str:
        """Put files into the folder that nodes allow, and give their path. Raises LeftOutError."""
        self.network.wants(sources=["localdirectory"])
        if self.folder is None:
            raise LeftOutError("--folder names no folder that the nodes allow")
        path = self.folder / self.mark / name
        shutil.copytree(files, path, dirs_exist_ok=True)
        return str(path)

    @property
    def local_weights(self) -> str:
        """The weights in the folder that nodes allow. Raises LeftOutError."""
        weights = self.new("weights")
        shutil.copy(DEMO_WEIGHTS, weights)
        return self.in_folder("weights", weights)

    @cached_property
    def key(self) -> str:
        """The media in the bucket: the pattern of their keys. Raises LeftOutError."""
        self.network.wants(sources=["s3"], publisher="s3")
        if self.s3 is None:
            raise LeftOutError("--s3 names no service")
        user = f"{os.environ['AWS_ACCESS_KEY_ID']}:{os.environ['AWS_SECRET_ACCESS_KEY']}"
        signed = ["curl", "-sSf", "--aws-sigv4", "aws:amz:us-east-1:s3", "--user", user]
        for path in self.media.rglob("*.*"):
            place = f"{self.s3}/{self.bucket}/{self.mark}/{path.relative_to(self.media)}"
            subprocess.run([*signed, "-T", str(path), place], capture_output=True, check=True)
        return f"{self.mark}/*"

    def run(self, *words: str, inputs: tuple[str, ...] = (), **flags: str) -> Described:
        """`docker run` on the network until it has ended; a flag `queue_timeout` is the client's `--queue-timeout`."""
        return client.wait(self.submit(*words, inputs=inputs, **flags))

    def submit(self, *words: str, inputs: tuple[str, ...] = (), **flags: str) -> str:
        """The same, without waiting; gives the job's id."""
        asked = {"cpu": CPU, "memory": MEMORY, "network": "none", "output": "outputs:/outputs", "publisher": "local"}
        given = [word for name, value in (asked | flags).items() if value for word in (f"--{name}", value)]
        given = [word.replace("_", "-") if word.startswith("--") else word for word in given]
        given += [word for source in inputs for word in ("-i", source)]
        return client.submit("docker run", *given, self.image, *(["--", *words] if words else []))

    def results(self, job: Described) -> Path:
        """What a job left that ended well, fetched as the guide does: its one run, or the one merged of its parts."""
        codes = [one.code for one in job.completed]
        if job.state != "Completed" or set(codes) != {0}:
            raise AssertionError(job.shown())
        fetched = client.get(job.id, self.new("results"))
        expect((fetched / "exitCode").read_text(), "0" * len(codes))
        runs = list((fetched / "outputs").rglob("status.json"))
        return runs[0].parent if len(runs) == 1 else self.merged(fetched)

    def merged(self, folder: Path, *words: str) -> Path:
        """One run of the parts below a folder."""
        merged = self.new("merged")
        ended = checkout("merge", *words, str(folder), "--project", str(merged))
        expect(ended.returncode, 0, ended)
        return merged / "merged"

    def reference(self, source: Path, *words: str) -> list[Any]:
        """The records of a run of the checkout on this machine, with the demo's weights."""
        out = self.new("checkout")
        ended = checkout("--weights", str(DEMO_WEIGHTS), "--source", str(source), "--project", str(out), *words)
        expect(ended.returncode, 0, ended)
        (predictions,) = out.rglob("predictions.json")
        return list(records(predictions.parent))


def checkout(*words: str) -> "subprocess.CompletedProcess[str]":
    """The program of this checkout, on this machine."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("BACALHAU_", "YOLO_BAC_"))}
    command = [sys.executable, "-m", "entrypoint", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def counts(run: Path) -> dict[str, int]:
    """The counts in a run's status.json."""
    found: dict[str, int] = json.loads((run / "status.json").read_bytes())["counts"]
    return found
