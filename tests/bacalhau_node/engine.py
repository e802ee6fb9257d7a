"""The built image in a container, with what a Bacalhau node passes to Docker: no user, no init, 64 MB of /dev/shm."""

import shutil
import signal
import subprocess
import uuid

from tests.bacalhau_node.launch import Launch, Mount


class EngineRunner:
    """Runs an image."""

    def __init__(self, image: str) -> None:
        self.image = image

    def unavailable(self) -> str | None:
        """Why there is no engine, or no such image; None when there are both."""
        if shutil.which("docker") is None:
            return "there is no docker here"
        for command in (["info"], ["image", "inspect", self.image]):
            done = subprocess.run(["docker", *command], capture_output=True, text=True, check=False)
            if done.returncode:
                return f"docker {command[0]}: {(done.stderr.strip() or done.stdout.strip()).splitlines()[-1]}"
        return None

    def start(self, launch: Launch) -> "RunningContainer":
        """Start it; the engine's own failure to do so is exit code 125, 126 or 127."""
        name = f"yolo-bac-{uuid.uuid4()}"
        command = ["docker", "run", "--name", name, *_options(launch), self.image, *launch.arguments]
        with (launch.folder / "stdout").open("wb") as stdout, (launch.folder / "stderr").open("wb") as stderr:
            client = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr)
        return RunningContainer(name, client)


class RunningContainer:
    """One container, and the client that copies its streams."""

    def __init__(self, name: str, client: "subprocess.Popen[bytes]") -> None:
        self._name, self._client = name, client

    def wait(self, seconds: float | None) -> int:
        return self._client.wait(seconds)

    def send(self, what: signal.Signals) -> None:
        _docker("kill", "--signal", what.name, self._name)

    def close(self) -> bool:
        killed = _docker("inspect", "--format", "{{.State.OOMKilled}}", self._name).strip() == "true"
        _docker("rm", "--force", self._name)
        return killed


def _options(launch: Launch) -> list[str]:
    options = ["--network", "bridge" if launch.network else "none"]
    options += [word for name, value in launch.environment.items() for word in ("--env", f"{name}={value}")]
    if launch.limits:
        options += ["--cpus", str(launch.limits.cpus), "--memory", str(launch.limits.memory)]
    return options + [word for target, mount in launch.mounts.items() for word in _mount(target, mount)]


def _mount(target: str, mount: Mount) -> list[str]:
    if mount.capacity is not None:
        return ["--tmpfs", f"{target}:size={mount.capacity}"]
    return ["--volume", f"{mount.path}:{target}" + ":ro" * mount.read_only]


def _docker(*words: str) -> str:
    return subprocess.run(["docker", *words], capture_output=True, text=True, check=False).stdout
