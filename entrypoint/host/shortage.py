"""Limits that this process has run into: which one it was, and how it is raised."""

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from entrypoint.errors import ResourceError, YoloBacError
from entrypoint.host import limits, memory

_NO_THREAD = "can't start new thread"
_OUT_OF_FILES = (errno.EMFILE, errno.ENFILE)
_PROC = Path("/proc")
_MOST_COUNTED = 4096  # threads; to count them takes time


def shortage_of(error: BaseException, what: str) -> ResourceError | None:
    """The error that names the limit which `what` has run into; None for an error that is of another kind."""
    if isinstance(error, YoloBacError):
        return None
    if isinstance(error, OSError) and error.errno in _OUT_OF_FILES:
        return _of_files(what)
    if _NO_THREAD in str(error) or (isinstance(error, OSError) and error.errno == errno.EAGAIN):
        return _of_threads(what)
    return memory.shortage(what) if memory.is_out_of_memory(error) else None


@contextmanager
def shortages_named(what: str) -> Iterator[None]:
    """Have errors within the block that say a limit is reached be ResourceErrors that name it."""
    try:
        yield
    except Exception as error:
        if named := shortage_of(error, what):
            raise named from error
        raise


def raise_if_out_of_files(error: Exception) -> None:
    """Raise ResourceError for an error that says nothing of the file it is of, but that too many are open."""
    if getattr(error, "errno", None) in _OUT_OF_FILES:
        raise _of_files("this run") from error


def require_files(count: int, what: str) -> None:
    """Raise ResourceError where so many more files cannot be open at once."""
    limits.raise_open_files()
    held: list[int] = []
    try:
        with shortages_named(what):
            held.extend(os.open("/", os.O_PATH | os.O_CLOEXEC) for _ in range(count))
    finally:
        for descriptor in held:
            os.close(descriptor)


def require_threads(count: int, what: str) -> None:
    """Raise ResourceError where a limit leaves no room for so many more threads and processes."""
    if error := _exceeded(count, what):
        raise error


def _of_files(what: str) -> ResourceError:
    most = limits.open_files()
    return ResourceError(
        f"no more than {most} files may be open at once (ulimit -n {most}), too few for {what}: raise the limit: "
        "`--ulimit nofile=1024` for docker run, `ulimit -n 1024` in a shell"
    )


def _of_threads(what: str) -> ResourceError:
    if error := _exceeded(1, what):
        return error
    if memory.is_limited():  # each thread maps a stack
        return memory.shortage(what)
    most, _ = limits.processes()
    found = "as many as may run at once" if most is None else f"no more than {most} (pids limit {most})"
    return ResourceError(
        f"too few processes and threads for {what}: found {found}: raise the limit of the container (`--pids-limit "
        "256` for docker run), of the user (`ulimit -u 1024`) or of the machine"
    )


def _exceeded(count: int, what: str) -> ResourceError | None:
    """The error that names the limit which so many more threads exceed; None where that cannot be told."""
    most, used = limits.processes()
    if most is not None and most < used + count:
        return ResourceError(
            f"no more than {most} processes and threads may run at once (pids limit {most}), and {what} needs "
            f"{used + count}: raise the limit: `--pids-limit 256` for docker run"
        )
    ours, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    if os.geteuid() and 0 <= ours <= _MOST_COUNTED and ours < (used := _threads_of_user()) + count:
        return ResourceError(
            f"no more than {ours} processes and threads of this user may run at once (ulimit -u {ours}), and {what} "
            f"needs {used + count}: raise the limit: `--ulimit nproc=1024` for docker run, `ulimit -u 1024` in a shell"
        )
    return None


def _threads_of_user() -> int:
    """Threads of this process's user, as far as /proc shows them."""
    count = 0
    for folder in _PROC.glob("[0-9]*"):
        try:
            if folder.stat().st_uid == os.geteuid():
                count += len(os.listdir(folder / "task"))  # noqa: PTH208
        except OSError:  # it has ended
            continue
    return count
