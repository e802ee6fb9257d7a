"""The folder of one run: claimed for this process alone, files appearing whole or not at all."""

import errno
import fcntl
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

from entrypoint.errors import OutputError

STATUS = "status.json"
_SCRATCH, _DOOMED = ".partial", ".partial.removed"
# What another run may have left in a folder that --exist-ok takes over: none of it must pass for this run's.
_RESULTS = (STATUS, "labels", "images", "crops", "predictions.json", "coco.json", "predictions.csv")
_NAME_MAX = 255


@dataclass(frozen=True, slots=True)
class RunFolder:
    """`<project>/<name>`, locked by this process; `continued` when it holds results of an unfinished equal run."""

    path: Path
    continued: bool
    _lock: int
    _owner: tuple[int, int] | None

    @classmethod
    def claim(
        cls,
        project: Path,
        name: str,
        identity: dict[str, Any],
        *,
        part: str | None = None,
        exist_ok: bool = False,
        resume: bool = True,
    ) -> Self:
        """Take the first of `name`, `name2`, `name3`, … that is new, or an unfinished run of the same `identity`.

        A `part` of a run that others share is a folder in there. With `exist_ok` the first one is taken, and results
        that another run left in it are removed. Raises OutputError when it cannot be written.
        """
        with _output_errors(project):
            owner = _owner_above(project)
            _make_folders(project, owner)
            number = 1
            while True:
                path = project / (name if number == 1 else f"{name}{number}")
                taken = part is not None and (path / STATUS).exists() and not exist_ok  # by a run that is no part
                claimed = (
                    None if taken else cls._try(path / (part or ""), owner, identity, exist_ok=exist_ok, resume=resume)
                )
                if claimed is not None:
                    return claimed
                number += 1

    @classmethod
    def _try(
        cls, path: Path, owner: tuple[int, int] | None, identity: dict[str, Any], *, exist_ok: bool, resume: bool
    ) -> Self | None:
        with suppress(FileExistsError):
            _make_folders(path, owner)
        if not path.is_dir():
            return None
        fresh = not any(path.iterdir())
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return None
        except OSError:  # a file system without locks: nothing to hold on to
            pass
        continued = not fresh and resume and _is_unfinished(path, identity)
        if not (fresh or continued or exist_ok):
            os.close(lock)
            return None
        for name in (_SCRATCH, _DOOMED) if continued else (_SCRATCH, _DOOMED, *_RESULTS):
            _remove(path / name)
        (path / _SCRATCH).mkdir()
        return cls(path, continued, lock, owner)

    def file(self, folder: str, file: str, suffix: str = "") -> Path:
        """Where `folder/<file><suffix>` goes."""
        return result_path(self.path, folder, file, suffix)

    @property
    def scratch(self) -> Path:
        """A folder for what is not a result; it goes when the run ends."""
        return self.path / _SCRATCH

    def write(self, path: Path, data: bytes | memoryview) -> None:
        """Make `path` hold `data`, in one step. Raises OutputError."""
        with self._becoming(path) as descriptor:
            left = memoryview(data)
            while left:
                left = left[os.write(descriptor, left) :]

    @contextmanager
    def open(self, path: Path) -> Iterator[IO[bytes]]:
        """A file to write that becomes `path` when the block ends, and vanishes when it raises."""
        with self._becoming(path) as descriptor, open(descriptor, "wb", closefd=False) as file:
            yield file

    @contextmanager
    def _becoming(self, path: Path) -> Iterator[int]:
        with _output_errors(path):
            temporary = f"{self.scratch}/{secrets.token_hex(8)}"
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            try:
                try:
                    yield descriptor
                    os.fchmod(descriptor, 0o644)  # whatever the umask
                    if self._owner:
                        os.fchown(descriptor, *self._owner)
                finally:
                    os.close(descriptor)
                try:
                    os.replace(temporary, path)  # noqa: PTH105
                except FileNotFoundError:  # the folder is not there yet
                    _make_folders(path.parent, self._owner)
                    os.replace(temporary, path)  # noqa: PTH105
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise

    def adopt(self, source: Path, path: Path) -> None:
        """Make `path` the file `source` itself where the file system allows it, else a copy. Raises OutputError."""
        with suppress(OSError):
            found = source.stat()
            if self._owner in (None, (found.st_uid, found.st_gid)) and found.st_mode & 0o444 == 0o444:
                _make_folders(path.parent, self._owner)
                os.link(source, path)
                return
        with source.open("rb") as original, self.open(path) as copy:
            shutil.copyfileobj(original, copy)

    def write_json(self, name: str, value: object) -> None:
        """`name` in the run folder as indented JSON."""
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
        self.write(self.path / name, text.encode() + b"\n")

    def clear(self) -> None:
        """Remove what has not become a file. Moved away first, so that no thread can add to it meanwhile."""
        with suppress(OSError):
            self.scratch.rename(self.path / _DOOMED)
        shutil.rmtree(self.path / _DOOMED, ignore_errors=True)

    def close(self) -> None:
        """Clear, and let others claim the folder."""
        self.clear()
        os.close(self._lock)


def result_path(run: Path, folder: str, file: str, suffix: str = "") -> Path:
    """`<run>/<folder>/<file><suffix>`; names too long for a file system end in a hash instead."""
    return run.joinpath(folder, *(_fitting(part, suffix) for part in f"{file}{suffix}".split("/")))


def holds_results(project: Path) -> Callable[[str], bool]:
    """Tells whether a folder is that of a run, or of a part of one, at any depth below `project`."""
    root = os.path.realpath(project)

    def of_a_run(folder: str) -> bool:
        if not (_is_claimed(folder) or _is_status(Path(folder) / STATUS)):
            return False
        return os.path.realpath(folder).startswith(root.rstrip("/") + "/")

    return of_a_run


def _is_claimed(folder: str) -> bool:
    """Whether a run has the folder now, or was ended in it before it could clear up."""
    return os.path.isdir(f"{folder}/{_SCRATCH}")  # noqa: PTH112


def _is_status(path: Path) -> bool:
    """Whether a file is a status.json of this program, and not one of the user's."""
    try:
        status = json.loads(path.read_bytes())
    except FileNotFoundError:
        return False
    except (OSError, ValueError):  # damaged, perhaps
        return True
    return isinstance(status, dict) and {"state", "identity", "counts"} <= status.keys()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _owner_above(project: Path) -> tuple[int, int] | None:
    """Who shall own the results: the owner of the folder they are put in. Only root can give files away."""
    if os.geteuid() != 0:
        return None
    there = next(folder for folder in (project, *project.absolute().parents) if folder.exists())
    found = there.stat()
    return (found.st_uid, found.st_gid) if (found.st_uid, found.st_gid) != (0, 0) else None


def _make_folders(path: Path, owner: tuple[int, int] | None) -> None:
    """`mkdir -p`; what is made can be entered by all, whatever the umask, as what publishes results wants it."""
    if path.is_dir():
        return
    if not path.parent.exists():
        _make_folders(path.parent, owner)
    try:
        path.mkdir()
    except FileExistsError:  # by another thread, meanwhile
        if not path.is_dir():
            raise
        return
    path.chmod(0o755)
    if owner:
        os.chown(path, *owner)


def _fitting(part: str, suffix: str) -> str:
    if len(part.encode()) <= _NAME_MAX:
        return part
    kept = part.encode()[: _NAME_MAX - 20 - len(suffix)].decode("utf-8", "ignore")
    return f"{kept}~{hashlib.sha256(part.encode()).hexdigest()[:16]}{suffix}"


def _is_unfinished(path: Path, identity: dict[str, Any]) -> bool:
    try:
        status = json.loads((path / STATUS).read_bytes())
        return bool(status["state"] != "finished" and status["identity"] == identity)
    except (OSError, ValueError, KeyError, TypeError):
        return False


@contextmanager
def _output_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OutputError(
                f"no space left for {path}: give the output folder more room and run the same command again"
            ) from error
        raise OutputError(
            f"cannot write {path}: {error.strerror}; expected a writable output folder: mount one at /outputs "
            '(`-v "$PWD/outputs:/outputs"`, on Bacalhau `-o outputs:/outputs -p ipfs`) or choose one with --project'
        ) from error
