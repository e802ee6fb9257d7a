"""What each source type leaves under a target. Nothing is downloaded: a path of this machine stands for what is there.

A source is prepared once an execution, but a CID once a node: its copy is shared by all that use it.
"""

import shutil
import uuid
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.bacalhau_node.launch import Mount

_INLINE_FILE_BYTES = 512


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """`prepare(place, index, count)` fills the empty folder `place` for a partition and says what to mount."""

    prepare: Callable[[Path, int, int], Mount]
    shared: bool = False


def url(content: Path, name: str | None = None) -> Source:
    """A file in a folder, under a name or, where the node did not learn one, a random UUID."""

    def prepare(place: Path, index: int, count: int) -> Mount:
        shutil.copyfile(content, place / (name or str(uuid.uuid4())))
        return Mount(place)

    return Source(prepare)


def ipfs(content: Path) -> Source:
    """A file CID makes the target itself a file; a folder CID is a tree with its links, dangling ones included."""

    def prepare(place: Path, index: int, count: int) -> Mount:
        if content.is_dir():
            shutil.copytree(content, place, symlinks=True, dirs_exist_ok=True)
            return Mount(place)
        return Mount(Path(shutil.copyfile(content, place / "cid")))

    return Source(prepare, shared=True)


def s3(prefix: Path, *, partitioned: bool = False) -> Source:
    """Keys as nested folders, of mode 0700; with `partitioned`, each execution gets its share of them, maybe none."""

    def prepare(place: Path, index: int, count: int) -> Mount:
        for path in sorted(prefix.rglob("*")):
            key = path.relative_to(prefix)
            if path.is_file() and (not partitioned or zlib.crc32(bytes(key)) % max(1, count) == index):
                (place / key).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, place / key)
        for folder in (place, *(path for path in place.rglob("*") if path.is_dir())):
            folder.chmod(0o700)
        return Mount(place)

    return Source(prepare)


def empty_partition() -> Source:
    """An S3 prefix whose keys all went to other partitions."""

    def prepare(place: Path, index: int, count: int) -> Mount:
        place.chmod(0o700)
        return Mount(place)

    return Source(prepare)


def local(path: Path) -> Source:
    """A file or folder of the node itself, read-only."""
    return Source(lambda place, index, count: Mount(path.absolute(), read_only=True))


def inline(content: bytes) -> Source:
    """A 0600 file up to 512 bytes, else a folder with that file in it."""

    def prepare(place: Path, index: int, count: int) -> Mount:
        file = place / "content"
        file.write_bytes(content)
        file.chmod(0o600)
        return Mount(file if len(content) <= _INLINE_FILE_BYTES else place)

    return Source(prepare)


SOURCES: dict[str, Callable[[Path], Source]] = {
    "url": lambda path: url(path, path.name),
    "url-uuid": url,
    "ipfs": ipfs,
    "s3": s3,
    "s3-partitioned": lambda path: s3(path, partitioned=True),
    "empty": lambda path: empty_partition(),
    "local": local,
    "inline": lambda path: inline(path.read_bytes()),
}
"""By the names that the command line takes."""
