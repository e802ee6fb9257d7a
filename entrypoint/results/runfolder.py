"""The folder of one run: files appear in it whole or not at all, and nothing in it that is not the run's is touched."""

import errno
import itertools
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from entrypoint.errors import OutputError
from entrypoint.host.shortage import shortage_of
from entrypoint.results.ledger import BEGUN, DOOMED, RESERVE, SCRATCH, Ledger, empty_scratch
from entrypoint.results.lock import FolderLock
from entrypoint.results.runstatus import STATUS, RunStatus
from entrypoint.results.tree import Owner, Tree
from entrypoint.values import Failure, ResultError

_IN_THE_WAY = (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ELOOP)
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
_FULL = (errno.ENOSPC, errno.EDQUOT)
_COPY_BYTES = 1 << 20
_RESERVES = (512 << 10, 64 << 10, 8 << 10)  # bytes; a status may name a thousand classes, and a hundred failures


class InTheWayError(OutputError):
    """Something that this run has not left stands where a result belongs; `path` is relative to the run folder."""

    def __init__(self, run: Path, path: str) -> None:
        super().__init__(
            f"{run / path} is in the way of a result, and no earlier run of this program has left it: move it away, or "
            "choose another folder with --project or --name"
        )
        self.path = path


class RunFolder:
    """`<project>/<name>`, held by this process alone; `continued` when it holds results of an unfinished equal run.

    `claim` in `entrypoint.results.claim` gives one. Several threads may write. Paths are relative to it.
    """

    def __init__(
        self, path: Path, lock: FolderLock, owner: Owner | None, *, continued: bool, fresh: bool, left: tuple[str, ...]
    ) -> None:
        """`fresh`: nothing else is in it. `left`: run files and folders that are its own from before."""
        self.path, self.continued, self.fresh = path, continued, fresh
        self._lock, self._owner = lock, owner
        self._scratch, self._numbers = str(self.scratch), itertools.count(secrets.randbits(62))
        self._left = {name for name in left if not name.endswith("/")}
        self._folders = {name for name in left if name.endswith("/")}
        self.ledger = Ledger(self.scratch / BEGUN)
        self._reserve = f"{self._scratch}/{RESERVE}"
        _reserve(self._reserve)
        self._left |= {path for file, path in self.ledger.earlier if not file and not path.endswith("/")}
        self._folders |= {path for file, path in self.ledger.earlier if not file and path.endswith("/")}
        self.tree = Tree(path, owner, self._has_made)
        self._closing: list[Callable[[], None]] = []

    @property
    def scratch(self) -> Path:
        """A folder for what is not a result; it goes when the run ends."""
        return self.path / SCRATCH

    @property
    def left(self) -> tuple[str, ...]:
        """Run files that are there, and folders that were made for results, as status.json names them."""
        return tuple(sorted(self._left | self._folders))

    @property
    def tells_case(self) -> bool:
        """Whether the file system takes `a` and `A` for two names."""
        return not (self.path / STATUS.upper()).exists()

    def write_status(self, status: RunStatus) -> None:
        """Replace status.json in one step, a run's last word even on a full disk. Raise OutputError."""
        text = memoryview(status.to_text())
        try:
            with self._becoming(STATUS) as (temporary, descriptor):
                write_all(descriptor, text)
                self._finish(descriptor)
                self.tree.rename(temporary, STATUS)
        except OutputError as error:
            if status.state == "running" or not is_full(error.__cause__):
                raise
            self._write_into_reserve(text)

    def _write_into_reserve(self, text: memoryview) -> None:
        """Make status.json of the room that was kept for it: what is freed may be gone before it can be used."""
        with output_errors(self.path, STATUS):
            descriptor = os.open(self._reserve, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                write_all(descriptor, text)
                os.ftruncate(descriptor, len(text))
                self._finish(descriptor)
            finally:
                os.close(descriptor)
            self.tree.rename(self._reserve, STATUS)

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """A run file to write, which becomes `name` when the block ends, and vanishes when it raises.

        Raises OutputError, InTheWayError among them.
        """
        with self._becoming(name) as (temporary, descriptor):
            with os.fdopen(descriptor, "wb", closefd=False) as file:
                yield file
            self._finish(descriptor)
            if name in self._left:
                self.tree.rename(temporary, name)
            else:
                self._appear("", temporary, name)
                self._left.add(name)

    def scratch_path(self) -> str:
        """A path for a new file that is not a result, in the scratch folder."""
        return f"{self._scratch}/{next(self._numbers):016x}"

    def write(self, file: str, path: str, data: bytes | memoryview | Iterator[bytes]) -> None:
        """Write a result of the input `file`, in one step; `data` may come in pieces.

        Raises OutputError, InTheWayError among them; ResultError when it is the input that cannot have a result there.
        """
        with self._becoming(path) as (temporary, descriptor):
            for piece in [data] if isinstance(data, (bytes, memoryview)) else data:
                write_all(descriptor, memoryview(piece))
            self._finish(descriptor)
            self._appear(file, temporary, path)

    def adopt(self, file: str, descriptor: int, path: str) -> None:
        """Make a file that is open a result of the input `file`: itself where the file system allows it, else a copy.

        Raises as `write` does; ResultError also when it cannot be read.
        """
        found = os.fstat(descriptor)
        if self._owner in (None, (found.st_uid, found.st_gid)) and found.st_mode & 0o444 == 0o444:
            with suppress(OSError):
                self._appear(file, f"/proc/self/fd/{descriptor}", path, movable=False)
                return
        with self._becoming(path) as (temporary, copy):
            while chunk := _read(descriptor, path):
                write_all(copy, memoryview(chunk))
            self._finish(copy)
            self._appear(file, temporary, path)

    def remove(self, paths: tuple[str, ...]) -> None:
        """Remove results of this run's own, and folders made for it that are empty then. Raises OutputError."""
        if not paths:
            return
        with output_errors(self.path):
            for path in paths:
                self.tree.remove(path)
            for folder in {path.rpartition("/")[0] for path in paths}:
                if f"{folder.partition('/')[0]}/" in self._folders:
                    self.tree.prune(folder)

    def clear(self) -> None:
        """Remove what no record vouches for. First moved away, so that no thread can add to it meanwhile."""
        with suppress(OSError):
            self.scratch.rename(self.path / DOOMED)
        unrecorded = self.ledger.close()
        with suppress(OSError, OutputError):
            self.remove(tuple(path for file, paths in unrecorded.items() if file for path in paths))
            empty_scratch(self.path)
            (self.path / DOOMED).rename(self.scratch)  # where something of somebody else's is in it

    def on_close(self, call: Callable[[], None]) -> None:
        """Have `call` called when the folder is closed, before others may claim it."""
        self._closing.append(call)

    def close(self) -> None:
        """Clear, and let others claim the folder."""
        self.clear()
        for call in self._closing:
            with output_errors(self.path):
                call()
        self._lock.release()

    def _has_made(self, top: str) -> None:
        self.ledger.add("", f"{top}/")
        self._folders.add(f"{top}/")

    def _appear(self, file: str, source: str, path: str, *, movable: bool = True) -> None:
        """Give a whole file its name, which nothing may have. Raises OSError beside what `write` does."""
        try:
            if not self.fresh and self.tree.exists(path):  # seen before the ledger claims it
                raise FileExistsError(errno.EEXIST, "exists", path)
            self.ledger.add(file, path)
            try:
                self.tree.link(source, path)
            except OSError as error:
                if not (movable and error.errno in _NO_LINKS):  # a file system without hard links
                    self.ledger.retract(file, path)
                    raise
                self.tree.rename(source, path)
        except OSError as error:
            if error.errno in _IN_THE_WAY:
                raise InTheWayError(self.path, self.tree.obstacle(path) or path) from error
            if error.errno == errno.ENAMETOOLONG and file:
                raise ResultError(
                    Failure("not_written", f"the name of its result is too long: {path[:80]}…")
                ) from error
            raise

    @contextmanager
    def _becoming(self, path: str) -> Iterator[tuple[str, int]]:
        """A new file in the scratch folder, with its path, for the time of the block."""
        self._lock.check()
        with output_errors(self.path, path):
            temporary = self.scratch_path()
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            try:
                yield temporary, descriptor
            finally:
                os.close(descriptor)
                with suppress(FileNotFoundError):
                    os.unlink(temporary)  # noqa: PTH108 - several times for each of a million inputs

    def _finish(self, descriptor: int) -> None:
        os.fchmod(descriptor, 0o644)  # whatever the umask
        if self._owner:
            os.fchown(descriptor, *self._owner)


def is_full(error: BaseException | None) -> bool:
    """Return whether an error says that a disk, or what one may use of it, is full."""
    return isinstance(error, OSError) and error.errno in _FULL


def _reserve(path: str) -> None:
    """Make a file that takes room, of a size that there is room for. Raise OSError if the disk has none at all.

    Where room cannot be taken for another reason, as by a limit of file sizes, a run goes without.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        for size in _RESERVES:
            try:
                os.posix_fallocate(descriptor, 0, size)
            except OSError as error:
                os.ftruncate(descriptor, 0)  # some room is taken already where zeros are written for it
                if is_full(error) and size == _RESERVES[-1]:
                    raise
            else:
                return
    finally:
        os.close(descriptor)


def write_all(descriptor: int, left: memoryview) -> None:
    """Write until all is written. Raises OSError."""
    while left:
        left = left[os.write(descriptor, left) :]


def _read(descriptor: int, path: str) -> bytes:
    try:
        return os.read(descriptor, _COPY_BYTES)
    except OSError as error:
        raise ResultError(Failure("unreadable", f"{path}: {error.strerror}")) from error


@contextmanager
def output_errors(folder: Path, *names: str) -> Iterator[None]:
    """What the system says of `folder`, or of what these names lead to in it, in the words of OutputError."""
    try:
        yield
    except OSError as error:
        path = folder.joinpath(*names)
        if error.errno != errno.EAGAIN and (shortage := shortage_of(error, f"writing {path}")):
            raise shortage from error
        if is_full(error):
            raise OutputError(
                f"no space left for {path}: give the output folder more room and run the same command again"
            ) from error
        raise OutputError(
            f"cannot write {path}: {error.strerror}; expected a writable output folder: mount one at /outputs "
            '(`-v "$PWD/outputs:/outputs"`, on Bacalhau `-o outputs:/outputs -p local`) or choose one with --project'
        ) from error
