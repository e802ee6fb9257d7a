"""Run the image as each kind of user would, and check what comes out.

Every check starts containers of the image and looks at exit codes, messages and files. Nothing is downloaded; real
weights and photographs are used where YOLO_BAC_TEST_DATA names them, the embedded demo's elsewhere.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from entrypoint.samples import DEMO_SCENES, DEMO_WEIGHTS

MAX_BYTES = 6_600_000_000
"""What the CUDA image may take on a node's disk."""

HARDENED = ["--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--user", "12345:0"]
HARDENED += ["--security-opt", "no-new-privileges"]
TUTORIAL = (
    r"find /inputs -type f -exec cp {} /outputs/yolov5s.pt \; ; "
    "python detect.py --weights /outputs/yolov5s.pt --source %s --project /outputs"
)


@dataclass
class Bench:
    """An image under test and a folder for what the checks need."""

    image: str
    root: Path
    names: int = 0
    failed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        data = os.environ.get("YOLO_BAC_TEST_DATA")
        weights = Path(data) / "weights" / "yolov5n-coco.pt" if data else DEMO_WEIGHTS
        self.images = Path(data) / "images" if data else DEMO_SCENES
        self.inputs = self.folder("inputs")
        shutil.copy(weights, self.inputs / "76813c2d-b52b-47af-95fb-e92c1b0b2783")

    def folder(self, name: str) -> Path:
        """A new folder that any user may write to."""
        self.names += 1
        path = self.root / f"{self.names}-{name}"
        path.mkdir()
        path.chmod(0o777)
        return path

    def run(self, *arguments: str, options: tuple[str, ...] | list[str] = (), **mounts: Path | str) -> Any:
        """`docker run` with `/inputs`, `/datasets`, `/outputs` mounted as given; a mount may end in `:ro`."""
        binds = [word for name, path in mounts.items() for word in ("-v", self._bind(name, str(path)))]
        command = ["docker", "run", "--rm", "--network", "none", *options, *binds, self.image, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def _bind(self, name: str, path: str) -> str:
        path, _, mode = path.partition(":")
        return f"{path}:/{name}" + (f":{mode}" if mode else "")


def records(run: Path) -> Any:
    """All records of a run, without where they come from."""
    return json.loads((run / "predictions.json").read_bytes())["images"]


def expect(what: object, wanted: object, ended: Any = None) -> None:
    """Fail the check unless both are equal."""
    if what != wanted:
        raise AssertionError(f"got {what!r:.300}, wanted {wanted!r:.300}\n{ended.stderr if ended else ''}")


def close(ours: Any, theirs: Any) -> None:
    """Fail the check unless the records are equal but for rounding."""
    expect([r["file"] for r in ours], [r["file"] for r in theirs])
    for a, b in zip(ours, theirs, strict=True):
        expect(len(a["detections"]), len(b["detections"]))
        for one, other in zip(a["detections"], b["detections"], strict=True):
            expect(one["name"], other["name"])
            sides = zip(one["box"].values(), other["box"].values(), strict=True)
            expect(max(abs(x - y) for x, y in sides) < 0.01, True)


def cuda_is_inside(bench: Bench) -> None:
    ended = bench.run("python", "-c", "import torch; print(torch.version.cuda)")
    expect(ended.stdout, "12.8\n", ended)
    expect(ended.stderr, "")


def hardened_run_equals_the_checkout(bench: Bench) -> None:
    out, ours = bench.folder("out"), bench.folder("checkout")
    ended = bench.run(options=HARDENED, inputs=f"{bench.inputs}:ro", datasets=f"{bench.images}:ro", outputs=out)
    expect(ended.returncode, 0, ended)
    command = ["--weights", bench.inputs, "--source", bench.images, "--project", ours]
    subprocess.run([sys.executable, "-m", "entrypoint", *map(str, command)], check=True, capture_output=True)
    close(records(out / "exp"), records(ours / "exp"))


def single_files_as_mounts(bench: Bench) -> None:
    out = bench.folder("out")
    image = sorted(bench.images.iterdir())[0]
    weights = next(bench.inputs.iterdir())
    ended = bench.run(inputs=f"{weights}:ro", datasets=f"{image}:ro", outputs=out)
    expect(ended.returncode, 0, ended)
    expect([record["file"] for record in records(out / "exp")], ["datasets"])


def private_dataset_of_root(bench: Bench) -> None:
    data, out = bench.folder("data"), bench.folder("out")
    shutil.copy(sorted(bench.images.iterdir())[0], data / "a")
    data.chmod(0o700)
    ended = bench.run(inputs=bench.inputs, datasets=data, outputs=out)
    expect(ended.returncode, 0, ended)
    expect([record["file"] for record in records(out / "exp")], ["a"])


def outputs_not_mounted(bench: Bench) -> None:
    ended = bench.run("--demo")
    expect(ended.returncode, 0, ended)
    expect("are lost with the container" in ended.stderr.splitlines()[0], True, ended)


def outputs_read_only(bench: Bench) -> None:
    ended = bench.run("--demo", outputs=f"{bench.folder('out')}:ro")
    expect(ended.returncode, 6, ended)
    expect("expected a writable output folder" in ended.stderr.splitlines()[0], True, ended)


def outputs_full(bench: Bench) -> None:
    ended = bench.run("--demo", options=["--tmpfs", "/outputs:size=64k"])
    expect(ended.returncode, 6, ended)
    expect("no space left" in ended.stderr, True, ended)


def no_weights(bench: Bench) -> None:
    ended = bench.run(datasets=bench.images)
    baked = bench.run("ls", "/opt/yolo-bac/weights").stdout.strip()
    expect(ended.returncode, 0 if baked else 3, ended)


def tutorial_on_samples(bench: Bench) -> None:
    out = bench.folder("out")
    ended = bench.run("/bin/bash", "-c", TUTORIAL % "$(pwd)/data/images", inputs=bench.inputs, outputs=out)
    expect(ended.returncode, 0, ended)
    expect([record["file"] for record in records(out / "exp")], ["bus.jpg", "zidane.jpg"])
    expect((out / "exp" / "images" / "bus.jpg").is_file(), True)


def tutorial_on_a_dataset(bench: Bench) -> None:
    out = bench.folder("out")
    command = TUTORIAL % "/datasets"
    ended = bench.run("/bin/bash", "-c", command, inputs=bench.inputs, datasets=bench.images, outputs=out)
    expect(ended.returncode, 0, ended)
    expect(len(records(out / "exp")), len(list(bench.images.iterdir())))


def stopped_and_continued(bench: Bench) -> None:
    data, out, whole = bench.folder("data"), bench.folder("out"), bench.folder("whole")
    for number in range(300):
        shutil.copy(DEMO_SCENES / f"scene-{number % 6 + 1}.png", data / f"{number:03}.png")
    weights = ("--weights", "/opt/yolo-bac/app/entrypoint/demo/shapes.pt")
    name = f"yolo-bac-smoke-{os.getpid()}"
    mounts = ["-v", f"{data}:/datasets:ro", "-v", f"{out}:/outputs"]
    job = subprocess.Popen(["docker", "run", "--rm", "--name", name, *mounts, bench.image, *weights], text=True)
    while len(list(out.glob("exp/labels/*.json"))) < 10:
        expect(job.poll(), None)
        time.sleep(0.05)
    sent = time.monotonic()
    subprocess.run(["docker", "kill", "--signal", "TERM", name], check=True, capture_output=True)
    expect(job.wait(timeout=30), 143)
    click.echo(f"     stopped {time.monotonic() - sent:.2f} s after SIGTERM, engine's share included")
    done = [json.loads(path.read_bytes()) for path in out.glob("exp/labels/*.json")]
    expect(10 <= len(done) < 300 and all(record["failure"] is None for record in done), True)
    for folder in (out, whole):
        expect(bench.run(*weights, datasets=data, outputs=folder).returncode, 0)
    expect(json.loads((out / "exp" / "status.json").read_bytes())["counts"]["reused"] >= len(done), True)
    close(records(out / "exp"), records(whole / "exp"))


def configuration(bench: Bench) -> None:
    inspected = subprocess.run(["docker", "image", "inspect", bench.image], capture_output=True, check=True)
    image = json.loads(inspected.stdout)[0]
    config, size = image["Config"], image["Size"]
    names = {variable.partition("=")[0] for variable in config["Env"]}
    expect(names & {"NVIDIA_VISIBLE_DEVICES", "NVIDIA_REQUIRE_CUDA", "CUDA_VERSION"}, set())
    expect("NVIDIA_DRIVER_CAPABILITIES=compute,utility" in config["Env"], True)
    expect((config["User"], config.get("Volumes")), ("", None))
    expect(bench.run("sh", "-c", "ls -d /inputs /datasets /outputs 2>/dev/null | wc -l").stdout.strip(), "0")
    expect(config["Labels"]["org.opencontainers.image.licenses"], "AGPL-3.0-only")
    click.echo(f"     {size / 1e9:.2f} GB uncompressed, of at most {MAX_BYTES / 1e9:.2f}")
    expect(size <= MAX_BYTES, True)


def start_to_first_result(bench: Bench) -> None:
    started = time.monotonic()
    expect(bench.run("--demo").returncode, 0)
    click.echo(f"     {time.monotonic() - started:.1f} s from docker run to the end of the demo")


CHECKS: tuple[Callable[[Bench], None], ...] = (
    configuration,
    cuda_is_inside,
    hardened_run_equals_the_checkout,
    single_files_as_mounts,
    private_dataset_of_root,
    outputs_not_mounted,
    outputs_read_only,
    outputs_full,
    no_weights,
    tutorial_on_samples,
    tutorial_on_a_dataset,
    stopped_and_continued,
    start_to_first_result,
)


@click.command()
@click.argument("image", default="myorg/yolo-bac:latest")
def main(image: str) -> None:
    """Check IMAGE; the exit code is 1 if any check fails."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as root:
        Path(root).chmod(0o755)
        bench = Bench(image, Path(root))
        for check in CHECKS:
            started = time.monotonic()
            try:
                check(bench)
                outcome = "ok  "
            except Exception as error:  # noqa: BLE001 - every check is run, whatever one finds
                bench.failed.append(check.__name__)
                outcome = f"FAIL {type(error).__name__}: {error}\n    "
            click.echo(f"{outcome} {check.__name__.replace('_', ' ')} ({time.monotonic() - started:.1f} s)")
    click.echo(f"{len(CHECKS) - len(bench.failed)} passed, {len(bench.failed)} failed")
    sys.exit(bool(bench.failed))


if __name__ == "__main__":
    main()
