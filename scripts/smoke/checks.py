"""The checks, in the order they run: one function each, its name what it shows."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import click

from entrypoint.sources.samples import DEMO_SCENES
from scripts.smoke.bench import Bench, close, expect, records
from scripts.smoke.layers import layers_of, of_packages
from scripts.smoke.media import FILES, write_media

VARIANTS: dict[str, tuple[str, float, float]] = {
    "cuda12.8": ("12.8", 6.7, 4.0),
    "cuda13.0": ("13.0", 6.6, 4.1),
    "cpu": ("", 0.9, 0.25),
}
"""Each variant's `torch.version.cuda` (empty without PyTorch), and the GB it may take on a disk and in a registry."""

_TOLD = 1_000_000  # bytes of a layer that is told of
_MOST_LAYER = 1_300_000_000  # compressed bytes of any layer, for each comes over one connection
_MOST_PACKAGES = 250_000_000  # of the layer with all packages but PyTorch and CUDA
_MOST_PROGRAM = 5_000_000  # of what a change of the program makes anew

HARDENED = ["--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--user", "12345:0"]
HARDENED += ["--security-opt", "no-new-privileges"]
TUTORIAL = (
    r"find /inputs -type f -exec cp {} /outputs/yolov5s.pt \; ; "
    "python detect.py --weights /outputs/yolov5s.pt --source %s --project /outputs"
)


def inspect(bench: Bench) -> Any:
    """What the engine knows of the image."""
    inspected = subprocess.run(["docker", "image", "inspect", bench.image], capture_output=True, check=True)
    return json.loads(inspected.stdout)[0]


def variant(bench: Bench) -> tuple[str, float, float]:
    return VARIANTS[inspect(bench)["Config"]["Labels"]["yolo-bac.variant"]]


def configuration(bench: Bench) -> None:
    config = inspect(bench)["Config"]
    names = {variable.partition("=")[0] for variable in config["Env"]}
    expect(names & {"NVIDIA_VISIBLE_DEVICES", "NVIDIA_REQUIRE_CUDA", "CUDA_VERSION"}, set())
    expect("NVIDIA_DRIVER_CAPABILITIES=compute,utility" in config["Env"], True)
    expect((config["User"], config.get("Volumes")), ("", None))
    expect(bench.run("sh", "-c", "ls -d /inputs /datasets /outputs 2>/dev/null | wc -l").stdout.strip(), "0")
    labels = {"title", "version", "revision", "source", "licenses", "base.name"}
    expect({f"org.opencontainers.image.{name}" for name in labels} - config["Labels"].keys(), set())


def size(bench: Bench) -> None:
    _, most, most_compressed = variant(bench)
    found = layers_of(bench.image)
    for layer in found:
        if layer.compressed >= _TOLD:
            click.echo(f"     {layer.compressed / 1e6:7.1f} MB {layer.made[:50]}")
    on_disk, compressed = inspect(bench)["Size"] / 1e9, sum(layer.compressed for layer in found) / 1e9
    click.echo(
        f"     {on_disk:.2f} GB on disk, of at most {most}; about {compressed:.2f} GB compressed, "
        f"at most {most_compressed}"
    )
    expect(on_disk <= most and compressed <= most_compressed, True)
    expect([layer for layer in found if layer.compressed > _MOST_LAYER], [])
    expect(of_packages(bench.image, found)[-1].compressed <= _MOST_PACKAGES, True)
    program = next(place for place, layer in enumerate(found) if "entrypoint" in layer.made)
    expect(sum(layer.compressed for layer in found[program:]) <= _MOST_PROGRAM, True)


def licences(bench: Bench) -> None:
    listed = bench.run("cat", "/opt/yolo-bac/licences/packages.txt").stdout
    packages = ("onnxruntime", "numpy", "ultralytics-opencv-headless")
    expect([name for name in packages if f"\n{name} " not in listed], [])
    texts = bench.run(
        "sh", "-c", "cd /opt/yolo-bac; ls LICENSE licences/onnxruntime licences/bundled.txt licences/GPL-3.txt"
    )
    expect(texts.returncode, 0, texts)


def ultralytics_is_quiet_and_offline(bench: Bench) -> None:
    if not variant(bench)[0]:  # its photographs alone
        return
    code = "from ultralytics import settings; print(sorted(name for name, value in settings.items() if value is True))"
    ended = bench.run("python", "-c", code, options=HARDENED)
    expect((ended.stdout, ended.stderr), ("[]\n", ""), ended)


def pytorch_is_the_variants(bench: Bench) -> None:
    cuda = variant(bench)[0]
    if not cuda:
        expect(bench.run("python", "-c", "import torch").returncode, 1)
        return
    ended = bench.run("python", "-c", "import torch; print(torch.version.cuda)")
    expect((ended.stdout.strip(), ended.stderr), (cuda, ""), ended)


def hardened_run_equals_the_checkout(bench: Bench) -> None:
    out, ours = bench.folder("out"), bench.folder("checkout")
    ended = bench.run(options=HARDENED, inputs=f"{bench.inputs}:ro", datasets=f"{bench.images}:ro", outputs=out)
    expect(ended.returncode, 0, ended)
    command = ["--weights", bench.inputs, "--source", bench.images, "--project", ours]
    subprocess.run([sys.executable, "-m", "entrypoint", *map(str, command)], check=True, capture_output=True)
    close(records(out / "exp"), records(ours / "exp"))


def video_archive_and_photograph(bench: Bench) -> None:
    data, out = bench.folder("data"), bench.folder("out")
    write_media(data)
    ended = bench.run("--demo", "--source", "/datasets", options=HARDENED, datasets=f"{data}:ro", outputs=out)
    expect(ended.returncode, 0, ended)
    expect([(record["file"], record["failure"]) for record in records(out / "exp")], [(file, None) for file in FILES])
    expect((out / "exp" / "images" / "clip.mkv.mp4").is_file(), True)


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


def no_home(bench: Bench) -> None:
    out = bench.folder("out")
    ended = bench.run("env", "-u", "HOME", "yolo-bac", "--demo", options=HARDENED, outputs=out)
    expect((ended.returncode, len(records(out / "exp"))), (0, len(list(DEMO_SCENES.iterdir()))), ended)


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


def start_to_first_result(bench: Bench) -> None:
    started = time.monotonic()
    expect(bench.run("--demo").returncode, 0)
    click.echo(f"     {time.monotonic() - started:.1f} s from docker run to the end of the demo")


CHECKS: tuple[Callable[[Bench], None], ...] = (
    configuration,
    size,
    licences,
    ultralytics_is_quiet_and_offline,
    pytorch_is_the_variants,
    hardened_run_equals_the_checkout,
    video_archive_and_photograph,
    single_files_as_mounts,
    private_dataset_of_root,
    no_home,
    outputs_not_mounted,
    outputs_read_only,
    outputs_full,
    no_weights,
    tutorial_on_samples,
    tutorial_on_a_dataset,
    stopped_and_continued,
    start_to_first_result,
)
