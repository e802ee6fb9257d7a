"""What outlives an execution: the results a publisher keeps, and `bacalhau job get`, which merges those of a job."""

import shutil
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

Publisher = Literal["local", "ipfs"]
_APPENDED = ("stdout", "stderr", "exitCode")


class SamePathError(Exception):
    """Two executions of a job published the same path."""


def publish(results: Path, archive: Path, publisher: Publisher) -> tuple[str, ...]:
    """Pack the folder `results` as tar.gz and give the paths that did not survive, relative to it.

    Only regular files and folders do; with IPFS, only those without a leading dot. Raises OSError for a file that
    cannot be read.
    """
    dropped = []
    with tarfile.open(archive, "w:gz", compresslevel=1) as file:
        for path in sorted(results.rglob("*")):
            relative = path.relative_to(results)
            hidden = publisher == "ipfs" and any(part.startswith(".") for part in relative.parts)
            if hidden or path.is_symlink() or not (path.is_file() or path.is_dir()):
                dropped.append(str(relative))
            else:
                file.add(path, str(relative), recursive=False)
    return tuple(dropped)


def job_get(archives: Iterable[Path], target: Path) -> None:
    """Merge the results of a job's executions below `target`. Raises SamePathError as the client does.

    The streams and exit codes are appended to one another.
    """
    target.mkdir(parents=True, exist_ok=True)
    for archive in archives:
        for name, content in _files(archive):
            path = target / name
            if path.exists() and name not in _APPENDED:
                raise SamePathError(f"cannot merge results as output already exists: {path}")
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                file.write(content)


def job_get_raw(archives: Iterable[Path], target: Path) -> None:
    """The archive of each execution, named by its node's address and its id, as `--raw` leaves them."""
    (target / "raw").mkdir(parents=True, exist_ok=True)
    for archive in archives:
        shutil.copy(archive, target / "raw" / f"127.0.0.1_{archive.name}")


def _files(archive: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(archive) as file:
        for member in file:
            content = file.extractfile(member)
            if content is not None:
                yield member.name, content.read()
