"""Living within a memory limit: what does not fit is said, and an image that does not fit beside others goes alone."""

import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from entrypoint.detect.detector import Detector
from entrypoint.errors import ResourceError
from entrypoint.host import limits, memory
from entrypoint.sources.samples import DEMO_SCENES, DEMO_WEIGHTS
from entrypoint.weights.checkpoint import load_checkpoint
from tests.bacalhau_node.cgroup import Cgroup, unavailable
from tests.bacalhau_node.launch import Limits
from tests.conftest import ROOT, Ended, records, start


def limit_to(monkeypatch: pytest.MonkeyPatch, limit: int | None) -> None:
    monkeypatch.setattr(limits, "memory_limit", lambda: limit)


@pytest.mark.parametrize("limit", [None, memory.LEAST_BYTES, 8 << 30])
def test_enough_is_enough(monkeypatch: pytest.MonkeyPatch, limit: int | None) -> None:
    limit_to(monkeypatch, limit)
    memory.require_least()


def test_too_little_names_the_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    limit_to(monkeypatch, 64_000_000)
    with pytest.raises(ResourceError, match=r"limited to 64 MB, and this program needs 100 MB.*--memory 4gb"):
        memory.require_least()


@pytest.mark.parametrize(("limit", "waiting"), [(None, 192 << 20), (64 << 30, 192 << 20), (1, 4 << 20)])
def test_less_waits_where_there_is_less_room(monkeypatch: pytest.MonkeyPatch, limit: int | None, waiting: int) -> None:
    limit_to(monkeypatch, limit)
    assert memory.waiting_bytes() == waiting


@pytest.mark.parametrize(
    ("limit", "batch", "waiting"),
    [
        (64 << 30, 4, 192 << 20),
        (64 << 30, 32, 768 << 20),
        (64 << 30, 4096, 1 << 30),
        (1 << 30, 32, None),
    ],
)
def test_more_may_wait_for_larger_batches_where_there_is_room(
    monkeypatch: pytest.MonkeyPatch, limit: int, batch: int, waiting: int | None
) -> None:
    limit_to(monkeypatch, limit)
    found = memory.waiting_bytes(batch)
    assert found == waiting if waiting else 4 << 20 <= found <= limit // 8


def test_where_there_is_no_limit_the_host_s_free_memory_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    limit_to(monkeypatch, None)
    monkeypatch.setattr(memory, "_room_of_host", lambda: 2 << 30)
    assert memory.waiting_bytes(32) == 256 << 20 and memory.waiting_bytes() == 192 << 20


def test_what_is_needed_is_told_by_the_network_s_size(
    yolo_bac: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(memory, "guard", lambda by_host=False: None)  # of this process, that runs other tests
    needed = memory.need_of(load_checkpoint(DEMO_WEIGHTS).graph.nbytes, (1280, 1280))
    limit_to(monkeypatch, needed - 1_000_000)
    ended = yolo_bac("--demo", "--project", tmp_path / "out", "--imgsz", 1280)
    assert ended.code == 7 and not (tmp_path / "out").exists()
    assert f"at 1280 × 1280 needs {-(-needed // 1_000_000)} MB" in ended.stderr.splitlines()[0]
    assert "--memory 4gb" in ended.stderr.splitlines()[0]


def test_pytorch_needs_more(yolo_bac: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(memory, "guard", lambda by_host=False: None)
    limit_to(monkeypatch, 256_000_000)
    assert yolo_bac("--demo", "--project", tmp_path).code == 0
    ended = yolo_bac("--demo", "--project", tmp_path, "--engine", "torch")
    assert ended.code == 7 and "PyTorch needs 420 MB" in ended.stderr.splitlines()[0]


@pytest.mark.skipif(bool(unavailable()), reason=str(unavailable()))
@pytest.mark.parametrize(("imgsz", "images"), [(640, 14), (1280, 2)])
def test_a_small_network_runs_where_just_its_need_is_granted(
    data: Path, tmp_path: Path, imgsz: int, images: int
) -> None:
    weights, source = data / "weights" / "yolov5n-coco.pt", tmp_path / "in"
    source.mkdir()
    for path in sorted((data / "images").iterdir())[:images]:
        (source / path.name).symlink_to(path)
    needed = memory.need_of(load_checkpoint(weights).graph.nbytes, (imgsz, imgsz))
    assert needed < 256_000_000
    group = Cgroup.make(Limits(cpus=2, memory=needed + (4 << 10)))  # the kernel counts pages
    try:
        ended = start(
            *("--weights", weights, "--source", source, "--project", tmp_path / "out", "--imgsz", imgsz),
            *("--device", "cpu"),
            preexec_fn=group.join,
        )
        _, stderr = ended.communicate(timeout=120)
        assert ended.returncode == 0 and group.oom_kills() == 0, stderr
    finally:
        group.remove()
    assert len(records(tmp_path / "out" / "exp")) == images


GUARDED = """
import sys
import cv2, numpy, torch
from entrypoint.host import limits, memory
from entrypoint.host.memory import is_out_of_memory
limits.memory_limit = lambda: memory._status("RssAnon") + (300 << 20)
memory.guard()
for ask in (
    lambda: bytearray(400 << 20),
    lambda: numpy.ones(400 << 20, numpy.uint8),
    lambda: torch.ones(400 << 20, dtype=torch.uint8),
    lambda: cv2.resize(numpy.zeros((8, 8, 3), numpy.uint8), (12000, 12000)),
):
    try:
        ask()
    except Exception as error:
        assert is_out_of_memory(error), repr(error)
    else:
        sys.exit("it was given")
bytearray(100 << 20)
"""


def test_an_allocation_beyond_the_limit_fails_and_is_known_for_what_it_is() -> None:
    subprocess.run([sys.executable, "-c", GUARDED], check=True, cwd=ROOT)


MAPPED = """
import mmap, sys
from entrypoint.host import limits, memory
limits.memory_limit = lambda: memory._status("RssAnon") + (300 << 20)
if sys.argv[1] == "late":
    memory.guard()
held = mmap.mmap(-1, 4 << 30, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)  # as CUDA: mapped, and not used
memory.guard()
bytearray(100 << 20)
try:
    bytearray(400 << 20)
except MemoryError:
    print("guarded")
"""


@pytest.mark.parametrize(("when", "said"), [("early", "guarded\n"), ("late", "")])
def test_what_is_mapped_before_the_guard_does_not_count(when: str, said: str) -> None:
    ended = subprocess.run([sys.executable, "-c", MAPPED, when], check=False, cwd=ROOT, capture_output=True, text=True)
    assert (ended.stdout, ended.returncode == 0) == (said, when == "early")


BY_HOST = """
import sys
from pathlib import Path
from entrypoint.host import limits, memory
limit, available = (int(word) << 20 for word in sys.argv[1:3])
limits.memory_limit = lambda: limit or None
memory._MEMINFO = Path(sys.argv[3])
memory._MEMINFO.write_text(f"MemTotal: 9999999 kB\\nMemAvailable: {available >> 10} kB\\nSwapFree: 1024 kB\\n")
memory.guard(by_host=True)
try:
    bytearray(2048 << 20)
except MemoryError:
    bytearray(100 << 20)
else:
    sys.exit("it was given")
"""


@pytest.mark.parametrize(("limit", "available"), [(0, 1024), (65536, 1024), (1024, 65536)])
def test_the_host_guards_where_no_limit_below_it_does(tmp_path: Path, limit: int, available: int) -> None:
    arguments = [str(limit), str(available), str(tmp_path / "meminfo")]
    subprocess.run([sys.executable, "-c", BY_HOST, *arguments], check=True, cwd=ROOT)


def test_without_a_limit_and_beside_a_gpu_nothing_is_guarded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    limit_to(monkeypatch, None)
    before = resource.getrlimit(resource.RLIMIT_DATA)
    memory.guard()
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "absent")
    memory.guard(by_host=True)
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


@pytest.mark.parametrize(("limit", "words"), [(1 << 30, "limited to 1073 MB.*--memory 4gb"), (None, "MB are free on")])
def test_a_shortage_says_what_there_is(monkeypatch: pytest.MonkeyPatch, limit: int | None, words: str) -> None:
    limit_to(monkeypatch, limit)
    assert re.search(words, str(memory.shortage("the network")))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a", "b", "c"):
        shutil.copy(DEMO_SCENES / "scene-1.png", folder / f"{name}.png")
    return folder


def test_an_image_that_does_not_fit_beside_others_is_tried_alone(
    yolo_bac: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch, source: Path, tmp_path: Path
) -> None:
    imencode, calls = cv2.imencode, []

    def crowded(suffix: str, image: np.ndarray, *options: Any) -> Any:
        calls.append(suffix)
        if len(calls) == 1:
            raise MemoryError
        return imencode(suffix, image, *options)

    monkeypatch.setattr(cv2, "imencode", crowded)
    assert yolo_bac("--demo", "--source", source, "--project", tmp_path / "out", "--no-report").code == 0
    found = records(tmp_path / "out" / "exp")
    assert [record["failure"] for record in found.values()] == [None] * 3
    assert len(calls) == 4
    assert len(list((tmp_path / "out" / "exp" / "images").iterdir())) == 3


def test_an_image_that_does_not_even_fit_alone_is_a_failure_with_advice(
    yolo_bac: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch, source: Path, tmp_path: Path
) -> None:
    def full(*_: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(cv2, "imencode", full)
    ended = yolo_bac("--demo", "--source", source, "--project", tmp_path / "out", "--no-report")
    assert ended.code == 5
    assert "out_of_memory: no memory left to write it as images" in ended.stdout
    assert "--memory 4gb" in ended.stdout


def test_a_network_that_does_not_fit_ends_the_start(
    yolo_bac: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch, source: Path, tmp_path: Path
) -> None:
    def full(_: Detector) -> None:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")

    limit_to(monkeypatch, 64 << 30)
    monkeypatch.setattr(memory, "guard", lambda **_: None)  # of this process, that runs other tests
    monkeypatch.setattr(Detector, "try_one", full)
    ended = yolo_bac("--demo", "--source", source, "--project", tmp_path / "out")
    assert ended.code == 7
    assert "too little for the network" in ended.stderr.splitlines()[0]
    assert "--memory 4gb" in ended.stderr.splitlines()[0]
    assert not (tmp_path / "out").exists()
