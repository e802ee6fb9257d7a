"""A folder for one process alone, also where the file system has no locks.

A lock of the kernel's (flock) decides where there is one. Where there is none, or where it may not reach other
machines, an owner file in the folder says who holds it, and is rewritten every few seconds. An owner is gone

- on the same boot of the same machine: when the lock can be had, or, without locks, when no process of that number
  started at that time is there;
- else (another machine, another container, a reboot): when the file is not rewritten for as long as it is watched.
"""

import fcntl
import json
import os
import secrets
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from entrypoint.errors import OutputError
from entrypoint.log import LOG

OWNER = ".owner"
_REWRITE_SECONDS, _WATCH_SECONDS, _SETTLE_SECONDS = 5.0, 16.0, 0.2
_PROGRAM = "yolo-bac"
# File systems on which flock succeeds, and may tell other machines nothing of it.
_OWN_LOCKS_ONLY = ("9p", "virtiofs", "fuse", "vboxsf")


class FolderLock:
    """Held by this process until `release`: by the kernel's lock where that reaches all, else by the owner file."""

    def __init__(self, folder: Path, descriptor: int, who: dict[str, Any] | None) -> None:
        """With `who`, an owner file that says so is kept up."""
        self._folder, self._descriptor, self._who = folder, descriptor, who
        self._over = threading.Event()
        self._beat = threading.Thread(target=self._keep_up, name="owner", daemon=True)
        self.lost = False
        """Whether another process has taken the folder over, because this one did not get to say that it is there."""
        if who:
            self._beat.start()

    @classmethod
    def take(cls, folder: Path) -> Self | None:
        """None where another process holds it. Raises OSError where the folder cannot be opened or written."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            who = _free(folder, descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        if who is None:
            os.close(descriptor)
            return None
        return cls(folder, descriptor, who or None)

    def check(self) -> None:
        """Raises OutputError where the folder has been taken over."""
        if self.lost:
            raise OutputError(
                f"{self._folder} was taken over by another run, for this one seemed gone: its file system has no "
                f"locks, and {OWNER} was not rewritten for {_WATCH_SECONDS:.0f} s"
            )

    def release(self) -> None:
        """Let others have it."""
        self._over.set()
        if self._who:
            self._beat.join()
            if not self.lost:
                (self._folder / OWNER).unlink(missing_ok=True)
        os.close(self._descriptor)

    def _keep_up(self) -> None:
        who = dict(self._who or {})
        while not self._over.wait(_REWRITE_SECONDS):
            with suppress(OSError):
                found = read_owner(self._folder)
                if found is None or found["token"] != who["token"]:
                    self.lost = True
                    return
                who["beats"] += 1
                _write_owner(self._folder, who)


def read_owner(folder: Path) -> dict[str, Any] | None:
    """What the owner file says; None where there is none of this program's."""
    try:
        found = json.loads((folder / OWNER).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    keys = {"program", "host", "boot", "processes", "pid", "started", "token", "beats"}
    return found if isinstance(found, dict) and found.keys() == keys and found["program"] == _PROGRAM else None


def _free(folder: Path, descriptor: int) -> dict[str, Any] | None:
    """None where another process holds the folder; else what the owner file is to say, {} where none is needed."""
    locks = True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    except OSError:  # a file system without locks
        locks = False
    owner = read_owner(folder)
    reach_all = locks and not _file_system(folder).startswith(_OWN_LOCKS_ONLY)
    if not reach_all and (not _is_gone(folder, owner, locks) if owner else os.path.lexists(folder / OWNER)):
        return None
    if owner:
        for name in (OWNER, f"{OWNER}.{owner['token']}"):
            (folder / name).unlink(missing_ok=True)
    if reach_all:
        return {}
    who = _this_process()
    _write_owner(folder, who)
    if not locks:  # two may have found the same owner gone: the one that wrote last has it
        time.sleep(_SETTLE_SECONDS)
        found = read_owner(folder)
        return who if found and found["token"] == who["token"] else None
    return who


def _is_gone(folder: Path, owner: dict[str, Any], locks: bool) -> bool:
    here = _this_process()
    if owner["boot"] == here["boot"]:
        if locks:
            return True
        if owner["processes"] == here["processes"]:
            return bool(_start_time(owner["pid"]) != owner["started"])
    LOG.warning(
        "%s has an owner, on %s: watching for %.0f s whether it is alive", folder, owner["host"], _WATCH_SECONDS
    )
    end = time.monotonic() + _WATCH_SECONDS
    while time.monotonic() < end:
        time.sleep(min(_REWRITE_SECONDS / 5, _WATCH_SECONDS / 5))
        if read_owner(folder) != owner:
            return False
    return True


def _this_process() -> dict[str, Any]:
    def said(read: Any) -> str:
        with suppress(OSError):
            return str(read()).strip()
        return ""

    return {
        "program": _PROGRAM,
        "host": socket.gethostname(),
        "boot": said(Path("/proc/sys/kernel/random/boot_id").read_text),
        "processes": said(lambda: os.readlink("/proc/self/ns/pid")),  # noqa: PTH115
        "pid": os.getpid(),
        "started": _start_time(os.getpid()),
        "token": secrets.token_hex(8),
        "beats": 0,
    }


def _start_time(pid: object) -> str | None:
    """When a process started, in the kernel's clock ticks; None where there is none of that number."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None


def _write_owner(folder: Path, who: dict[str, Any]) -> None:
    temporary = folder / f"{OWNER}.{who['token']}"
    temporary.write_text(json.dumps(who))
    temporary.replace(folder / OWNER)


def _file_system(folder: Path) -> str:
    """The type of the file system that holds a folder, by the nearest mount above it; empty where none is told."""
    try:
        lines = Path("/proc/self/mountinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return ""
    there = folder.resolve()
    above = {str(there), *map(str, there.parents)}
    mounts = [fields for line in lines if len(fields := line.split(" ")) > 6 and fields[4] in above]
    if not mounts:
        return ""
    nearest = max(
        mounts, key=lambda fields: len(fields[4])
    )  # of equals the first is hidden; they are rarely of two types
    return nearest[nearest.index("-") + 1]
