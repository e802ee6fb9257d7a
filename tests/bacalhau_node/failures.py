"""Jobs that fail, each with its exit code and with words for the cause and the fix that a user must get to see."""

import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from entrypoint.sources.samples import DEMO_IMGSZ, DEMO_SCENES, DEMO_WEIGHTS
from tests.bacalhau_node.inputs import Source, ipfs, local, s3, url
from tests.bacalhau_node.launch import Mount
from tests.bacalhau_node.node import Execution, Job

_ONNX = b"\x08\x08\x12\x07pytorch" + b"\x3a\x28" + bytes(40) + b"\x42\x02\x10\x11"
_LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4f180cf2\nsize 4062133\n"
_A_CHECKPOINT = "expected a YOLOv5 checkpoint"


@dataclass(frozen=True, slots=True)
class Failing:
    """`inputs` replace those of a job that succeeds, None leaves one out. `cause` and `fix` are regular expressions."""

    code: int
    cause: str
    fix: str
    arguments: tuple[str, ...] = ()
    inputs: Mapping[str, Callable[[Path], Source] | None] = field(default_factory=dict)
    outputs: bool = True
    unless_baked: bool = False  # an image that brings weights of its own does not fail so

    def job(self, data: Path) -> Job:
        """The job; what its inputs are made of goes into the new folder `data`."""
        data.mkdir(parents=True)
        own = () if "merge" in self.arguments else ("--imgsz", str(DEMO_IMGSZ))
        inputs: dict[str, Callable[[Path], Source] | None] = {
            "/inputs": lambda data: url(DEMO_WEIGHTS),
            "/datasets": lambda data: local(DEMO_SCENES),
            **self.inputs,
        }
        return Job(
            arguments=(*own, *self.arguments),
            inputs={target: make(data) for target, make in inputs.items() if make},
            outputs=self.outputs,
        )

    def faults(self, execution: Execution) -> list[str]:
        """What is not so, of what the user is to see in the first bytes of the streams."""
        shown = execution.stderr + execution.stdout
        unsaid = [words for words in (self.cause, self.fix) if not re.search(words, shown, re.DOTALL)]
        code = [] if execution.code == self.code else [f"exit code {execution.code}, not {self.code}"]
        return [*code, *(f"not said: {words}" for words in unsaid)]


def _weights(content: bytes) -> Callable[[Path], Source]:
    def make(data: Path) -> Source:
        (data / "weights").write_bytes(content)
        return url(data / "weights", "yolov5s.pt")

    return make


def _folder(**files: bytes) -> Callable[[Path], Source]:
    def make(data: Path) -> Source:
        folder = data / "folder"
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(content)
        return s3(folder)

    return make


def _dangerous(data: Path) -> Source:
    """A checkpoint whose pickle calls os.system."""
    with zipfile.ZipFile(data / "weights", "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02cposix\nsystem\nX\x02\x00\x00\x00id\x85R.")
        archive.writestr("archive/version", b"3\n")
    return url(data / "weights", "yolov5s.pt")


def _full(data: Path) -> Source:
    return Source(lambda place, index, count: Mount(place, capacity=64 << 10))


def _cut_jpeg(data: Path) -> Source:
    encoded = cv2.imencode(".jpg", np.random.default_rng(0).integers(0, 255, (300, 300, 3), np.uint8))[1].tobytes()
    (data / "cut.jpg").write_bytes(encoded[: len(encoded) // 2])
    return ipfs(data / "cut.jpg")


_SHAPES = DEMO_WEIGHTS.read_bytes()

BAKED = 'test -n "$(ls /opt/yolo-bac/weights 2>/dev/null)"'
"""For a shell: whether there are weights besides those of the job."""

FAILING = {
    "no weights": Failing(3, "no weights", r"--weights.*--demo", inputs={"/inputs": None}, unless_baked=True),
    "no object under the prefix": Failing(
        3, "/inputs is an empty folder", "-i |mount|--weights", inputs={"/inputs": _folder()}, unless_baked=True
    ),
    "page of an error": Failing(
        3, "an HTML page", _A_CHECKPOINT, inputs={"/inputs": _weights(b"<!DOCTYPE html><html>404</html>")}
    ),
    "pointer of Git LFS": Failing(3, "a Git LFS pointer", _A_CHECKPOINT, inputs={"/inputs": _weights(_LFS)}),
    "download cut short": Failing(
        3, "the download was cut", "again", inputs={"/inputs": _weights(_SHAPES[: len(_SHAPES) // 2])}
    ),
    "two checkpoints": Failing(
        3, "2 models", "choose one with --weights", inputs={"/inputs": _folder(a=_SHAPES, b=_ONNX)}
    ),
    "another framework's model": Failing(3, "ONNX", "export it again", inputs={"/inputs": _weights(_ONNX)}),
    "checkpoint that runs code": Failing(3, r"posix\.system", "expected|only", inputs={"/inputs": _dangerous}),
    "weights named that are not there": Failing(
        3, r"yolov5x\.pt.*no such file", "under /inputs", arguments=("--weights", "yolov5x.pt")
    ),
    "source that is not there": Failing(
        4, "'/datasets/val' does not exist", "expected a file, a folder", arguments=("--source", "/datasets/val")
    ),
    "source without images": Failing(
        4, "holds no images", "expected", arguments=("--source", "/datasets"), inputs={"/datasets": _folder(a=b"text")}
    ),
    "damaged image": Failing(5, "1 of 1 image failed.*truncated", "--max-failures", inputs={"/datasets": _cut_jpeg}),
    "no time": Failing(5, r"--time-budget 0\.001", "-i …:/previous", arguments=("--time-budget", "0.001")),
    "outputs read-only": Failing(6, "cannot write /outputs", "-o outputs:/outputs", inputs={"/outputs": local}),
    "outputs full": Failing(6, "no space left", "more room", inputs={"/outputs": _full}),
    "no such GPU": Failing(7, r"found \d+ CUDA device", "--gpu 1", arguments=("--device", "99")),
    "option with a slip": Failing(2, "--wieghts", "--weights", arguments=("--wieghts", "x")),
    "shard beyond the last": Failing(2, "3/3", r"0 to 2", arguments=("--shard", "3/3")),
    "merge of nothing": Failing(4, "no part of a run", r"status\.json", arguments=("merge", "/datasets")),
    "outputs undeclared": Failing(0, "lost with the container", "-o outputs:/outputs` and a publisher", outputs=False),
}
"""By a name for the case. The last one does what it was asked to, and all of it is lost."""
