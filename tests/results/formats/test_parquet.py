"""Parquet is written by a process of its own: what goes wrong there is this format's trouble, and ends the run well."""

import resource
import signal
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest

from entrypoint.errors import ResourceError
from entrypoint.host import limits, memory
from entrypoint.results.claim import claim
from entrypoint.results.formats import write_run
from entrypoint.results.formats.parquet import Parquet
from entrypoint.settings import Settings
from tests.bacalhau_node.cgroup import Cgroup, unavailable
from tests.bacalhau_node.launch import Limits
from tests.conftest import ROOT, records, start
from tests.results.formats.tree import NAMES, RECORDS, STATUS
from tests.videos import moving

MB = 1_000_000


def write_with(data_bytes: int, tmp_path: Path) -> None:
    """Write the records where the other process may have so much data."""
    with closing(claim(tmp_path, "exp", {})) as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "room", lambda: data_bytes)
        patch.setattr(limits, "memory_limit", lambda: 256 * MB)
        write_run([Parquet(Settings(), NAMES)], folder, RECORDS, STATUS)


@pytest.mark.parametrize("data_bytes", [0, 4 * MB])
def test_polars_without_memory_ends_the_format_with_the_limit_s_name(tmp_path: Path, data_bytes: int) -> None:
    with pytest.raises(ResourceError, match=r"limited to 256 MB.*--format parquet.*--memory 4gb"):
        write_with(data_bytes, tmp_path)
    assert not list(tmp_path.rglob("*.parquet"))


def test_what_is_set_aside_for_it_is_enough(tmp_path: Path) -> None:
    write_with(80 * MB, tmp_path)
    assert len(list(tmp_path.rglob("*.parquet"))) == 2


HUNG = """
import signal, sys
sys.path.insert(0, sys.argv[1])
from entrypoint.results import parquetwriter
parquetwriter.PATIENCE_SECONDS = 1
parquetwriter.write_tables = lambda *_: signal.sigwait([signal.SIGUSR1])
parquetwriter.main("-1", "10")
"""


def test_a_process_that_hangs_ends_itself() -> None:
    ended = subprocess.run([sys.executable, "-c", HUNG, ROOT], timeout=60, check=False)
    assert ended.returncode == -signal.SIGALRM


STOPPED = """
import sys
from contextlib import closing
from pathlib import Path
from entrypoint.results.claim import claim
from entrypoint.results.formats.parquet import Parquet
from entrypoint.settings import Settings
from tests.results.formats.tree import NAMES, RECORDS, STATUS
with closing(claim(Path(sys.argv[1]), "exp", {})) as folder:
    with folder.open(Parquet.files[0]) as one, folder.open(Parquet.files[1]) as other:
        with Parquet(Settings(), NAMES).writing_all([one, other], STATUS, folder) as take:
            take(RECORDS[0])
            print("under way", flush=True)
            sys.stdin.read()
"""


def test_the_process_ends_with_the_one_that_started_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STOPPED, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdout.readline() == "under way\n"
        (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.kill()
    for _ in range(600):
        if not is_alive(child):
            break
        time.sleep(0.1)
    assert not is_alive(child)


def is_alive(process: str) -> bool:
    """Whether a process is there and has not ended."""
    with suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def test_the_memory_that_it_needs_is_kept_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "room", lambda: 400 * MB)
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (8000 * MB, hard))
    Parquet(Settings(), NAMES).require()
    assert resource.getrlimit(resource.RLIMIT_DATA)[0] == 7920 * MB


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A video of moving objects."""
    return moving(tmp_path / "clip.mp4", 12)


@pytest.mark.skipif(bool(unavailable()), reason=str(unavailable()))
@pytest.mark.parametrize(("limit", "code"), [(256, 7), (384, 0)])
@pytest.mark.parametrize("of", ["stills", "a video"])
def test_within_a_memory_limit_it_is_written_or_refused_before_the_work(
    data: Path, clip: Path, tmp_path: Path, limit: int, code: int, of: str
) -> None:
    source = data / "images" if of == "stills" else clip
    group = Cgroup.make(Limits(cpus=2, memory=limit * MB))
    try:
        process = start(
            *("--weights", data / "weights" / "yolov5n-coco.pt", "--source", source, "--project", tmp_path / "out"),
            *("--device", "cpu", "--format", "parquet"),
            preexec_fn=group.join,
        )
        _, stderr = process.communicate(timeout=120)
        assert process.returncode == code and group.oom_kills() == 0, stderr
    finally:
        group.remove()
    if code:
        assert "--format parquet needs" in stderr.splitlines()[0] and "--memory 4gb" in stderr.splitlines()[0]
        assert not (tmp_path / "out").exists()
    else:
        assert records(tmp_path / "out" / "exp")
        assert all((tmp_path / "out" / "exp" / name).stat().st_size for name in Parquet.files)
