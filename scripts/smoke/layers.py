"""The layers of an image, as a node pulls them."""

import itertools
import json
import subprocess
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO, Any

import click

from entrypoint.host import limits

_SAMPLED = 4  # of so many megabytes of a layer, one is compressed
_MEGABYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class Layer:
    """`digest`: of its files, not compressed. `compressed`: about how many bytes a registry keeps. `made`: by what."""

    digest: str
    compressed: int
    made: str

    @property
    def is_of_packages(self) -> bool:
        """Whether it has what the locks name, and nothing else."""
        return "COPY /layers/" in self.made


def layers_of(image: str) -> list[Layer]:
    """The layers, the lowest first; the engine of this machine has the image."""
    digests = _json("image", "inspect", "--format", "{{json .RootFS.Layers}}", image)
    told = subprocess.run(
        ["docker", "history", "--no-trunc", "--format", "{{json .}}", image], capture_output=True, text=True, check=True
    )
    # An empty layer, too, is one; what only sets something is none, and its size is given as 0B.
    made = [entry["CreatedBy"] for entry in map(json.loads, told.stdout.splitlines())][::-1]
    made = [line for line in made if line.startswith(("RUN", "COPY", "WORKDIR", "ADD"))]
    base = len(digests) - len(made)
    return [
        Layer(digest, size, line)
        for digest, size, line in zip(digests, _compressed(image), ["base"] * base + made, strict=True)
    ]


def of_packages(image: str, layers: Sequence[Layer]) -> list[Layer]:
    """Those of packages among an image's, of which there must be one. Raises ClickException."""
    found = [layer for layer in layers if layer.is_of_packages]
    if not found:
        raise click.ClickException(f"{image}: expected a layer of packages, found none among its {len(layers)} layers")
    return found


def _json(*words: str) -> Any:
    return json.loads(subprocess.run(["docker", *words], capture_output=True, check=True).stdout)


def _compressed(image: str) -> list[int]:
    """About how many bytes a registry keeps of each layer, by gzip's default."""
    sizes: dict[str, int] = {}
    manifest: list[dict[str, Any]] = []
    with (
        subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as saving,
        ThreadPoolExecutor(limits.threads()) as pool,
        tarfile.open(fileobj=saving.stdout, mode="r|") as archive,
    ):
        for member in archive:
            content = archive.extractfile(member) if member.isfile() else None
            if content and member.name == "manifest.json":
                manifest = json.load(content)
            elif content:
                sizes[member.name] = _estimate(content, member.size, pool)
            elif member.issym():  # to a layer of the same files
                sizes[member.name] = sizes.get("/".join(member.linkname.rsplit("/", 2)[-2:]), 0)
    return [sizes[name] for name in manifest[0]["Layers"]]


def _estimate(content: IO[bytes], size: int, pool: ThreadPoolExecutor) -> int:
    blocks = _sample(content)
    seen = compressed = 0
    while some := list(itertools.islice(blocks, 64)):
        seen += sum(map(len, some))
        compressed += sum(pool.map(lambda block: len(zlib.compress(block)), some))
    return compressed * size // seen if seen else 0


def _sample(content: IO[bytes]) -> Iterator[bytes]:
    blocks = iter(lambda: content.read(_MEGABYTE), b"")
    return itertools.islice(blocks, 0, None, _SAMPLED)
