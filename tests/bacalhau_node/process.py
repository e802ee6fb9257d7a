"""The checkout's program as a process that sees what a container would: mounts, network, limits, environment.

It gets a root of its own, an overlay that holds the host's folders but for those that jobs mount. The entry is the
image's own, image/start. Not covered: process and user namespaces, and the image's files.
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.bacalhau_node.cgroup import Cgroup
from tests.bacalhau_node.launch import Launch, Mount

_CHECKOUT = Path(__file__).parent.parent.parent
_WORKDIR = _CHECKOUT / "image"
_JOBS_OWN = {"inputs", "datasets", "outputs"}
_ENVIRONMENT = {
    "PATH": f"{Path(sys.executable).parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "PYTHONPATH": str(_CHECKOUT),
    "PYTHONDONTWRITEBYTECODE": "1",
    "HOME": "/root",
    "LANG": "C.UTF-8",
}


class ProcessRunner:
    """Runs the program of this checkout."""

    def unavailable(self) -> str | None:
        """Why this machine has no namespaces for it; None when it has."""
        if shutil.which("unshare") is None:
            return "there is no unshare(1) here (util-linux)"
        with tempfile.TemporaryDirectory() as folder:
            mounts = {"/inputs": Mount(Path(folder), read_only=True)}
            probe = _command(Launch(Path(folder), ("/bin/true",), {}, mounts), None)
            done = subprocess.run(probe, env=_ENVIRONMENT, capture_output=True, text=True, check=False)
        return f"no private mounts here: {done.stderr.strip()}" if done.returncode else None

    def start(self, launch: Launch) -> "RunningProcess":
        """Start it. Raises OSError where there are to be limits and none can be set."""
        cgroup = Cgroup.make(launch.limits) if launch.limits else None
        with (launch.folder / "stdout").open("wb") as stdout, (launch.folder / "stderr").open("wb") as stderr:
            process = subprocess.Popen(
                _command(launch, cgroup),
                env=_ENVIRONMENT | dict(launch.environment),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                preexec_fn=_heed_signals,
            )
        return RunningProcess(process, cgroup)


class RunningProcess:
    """One process; its limits go with it."""

    def __init__(self, process: "subprocess.Popen[bytes]", cgroup: Cgroup | None) -> None:
        self._process, self._cgroup = process, cgroup

    def wait(self, seconds: float | None) -> int:
        code = self._process.wait(seconds)
        return code if code >= 0 else 128 - code

    def send(self, what: signal.Signals) -> None:
        self._process.send_signal(what)

    def close(self) -> bool:
        if self._cgroup is None:
            return False
        killed = self._cgroup.oom_kills() > 0
        self._cgroup.remove()
        return killed


def _heed_signals() -> None:
    """Not to ignore what a shell has its background jobs ignore."""
    for stop in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(stop, signal.SIG_DFL)


def _command(launch: Launch, cgroup: Cgroup | None) -> list[str]:
    """Each step replaces the one before, so the process that is started becomes the program."""
    namespaces = ["--mount", *([] if launch.network else ["--net"]), *(["--cgroup"] if cgroup else [])]
    if os.geteuid():
        namespaces = ["--user", "--map-root-user", *namespaces]
    procs = [shlex.quote(f"{folder}/cgroup.procs") for folder in cgroup.views.values()] if cgroup else []
    script = "\n".join(["set -e", *_mounts(launch, cgroup)])
    start = ["sh", str(_WORKDIR / "start"), *launch.arguments]
    enter = shlex.join(["exec", "chroot", "root", "env", f"--chdir={_WORKDIR}", *start])
    unshare = shlex.join(["exec", "unshare", *namespaces, "--", "sh", "-c", f"{script}\n{enter}"])
    return ["sh", "-c", "\n".join(["set -e", *(f"echo $$ > {file}" for file in procs), unshare])]


def _mounts(launch: Launch, cgroup: Cgroup | None) -> Iterator[str]:
    """Lines of shell that build the root at `root`, below a file system that vanishes with the process."""
    base = launch.folder / ".root"
    base.mkdir(exist_ok=True)
    yield shlex.join(["mount", "-t", "tmpfs", "none", str(base)])
    yield shlex.join(["cd", str(base)])
    yield "mkdir lower upper work root"
    yield "mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work root"
    for entry in sorted(Path("/").iterdir()):
        if entry.name in _JOBS_OWN:
            continue
        if entry.is_symlink():
            yield shlex.join(["ln", "-s", str(entry.readlink()), f"root{entry}"])
        elif entry.is_dir():
            yield shlex.join(["mkdir", f"root{entry}"])
            yield shlex.join(["mount", "--rbind", str(entry), f"root{entry}"])
    yield "mount -t tmpfs -o size=64m shm root/dev/shm"
    for seen, folder in cgroup.views.items() if cgroup else ():
        yield shlex.join(["mount", "--bind", str(folder), f"root{seen}"])
    for target, mount in launch.mounts.items():
        yield from _mount(f"root{target}", mount)


def _mount(target: str, mount: Mount) -> Iterator[str]:
    yield shlex.join(["mkdir", "-p", target if mount.path.is_dir() else str(Path(target).parent)])
    if mount.capacity is not None:
        yield shlex.join(["mount", "-t", "tmpfs", "-o", f"size={mount.capacity}", "none", target])
        return
    if not mount.path.is_dir():
        yield shlex.join(["touch", target])
    yield shlex.join(["mount", "--bind", str(mount.path), target])
    if mount.read_only:
        yield shlex.join(["mount", "-o", "remount,bind,ro,nosuid,nodev", target])
