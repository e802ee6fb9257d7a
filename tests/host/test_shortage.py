"""Limits of the process: a run ends well, or with exit code 7 and the name of the limit that it has run into."""

import errno
import json
import os
import re
import resource
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

from entrypoint.errors import OutputError, ResourceError
from entrypoint.host import limits, memory
from entrypoint.host.shortage import require_files, shortage_of
from entrypoint.results.runfolder import output_errors
from entrypoint.sources.samples import DEMO_SCENES
from tests.conftest import ROOT, start

MB = 1_000_000
_PIDS = Path("/sys/fs/cgroup/pids")
_JOINED = _PIDS if (_PIDS / "cgroup.procs").exists() else Path("/sys/fs/cgroup")
_NOBODY = 54_321


def ended(tmp_path: Path, *arguments: object, **options: Any) -> tuple[int, str, dict[str, Any] | None]:
    """The exit code of a run, the first line of its stderr, and its status where it has taken a folder."""
    with start("--project", tmp_path / "out", *arguments, **options) as process:
        try:
            _, stderr = process.communicate(timeout=100)
        finally:
            process.kill()
    status = tmp_path / "out" / "exp" / "status.json"
    found = json.loads(status.read_bytes()) if status.exists() else None
    assert found is None or found["exit_code"] == process.returncode, stderr
    return process.returncode, stderr.splitlines()[0], found


def limited(kind: int, most: int) -> Callable[[], None]:
    """What limits a process that is to begin."""
    return lambda: resource.setrlimit(kind, (most, most))


@pytest.mark.parametrize(
    ("most", "options", "code"),
    [
        (12, [], 7),
        (16, [], 7),
        (24, [], 0),
        (24, ["--format", "parquet"], 7),
        (32, ["--format", "parquet"], 0),
    ],
)
def test_few_open_files(tmp_path: Path, most: int, options: list[str], code: int) -> None:
    found, line, status = ended(tmp_path, "--demo", *options, preexec_fn=limited(resource.RLIMIT_NOFILE, most))
    assert found == code
    if code:
        assert f"(ulimit -n {most})" in line and "--ulimit nofile=1024" in line
        assert not status


def test_more_packed_archives_than_files_may_be_open(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number in range(70):
        with tarfile.open(tmp_path / "in" / f"{number:02}.tar.gz", "w:gz") as packed:
            for name in ("a.png", "b.png"):
                packed.add(DEMO_SCENES / "scene-1.png", name)
            packed.add(__file__, "notes.txt")
    options = ["--demo", "--source", tmp_path / "in", "--format", "no-images,no-report"]
    code, line, status = ended(tmp_path, *options, preexec_fn=limited(resource.RLIMIT_NOFILE, 64))
    assert (code, status and status["counts"]["done"]) == (0, 140), line


@pytest.mark.parametrize(
    ("megabytes", "words"),
    [
        (200, r"the address space \(ulimit -v\) is limited to 200 MB, and this program needs 450 MB"),
        (400, r"the address space \(ulimit -v\) is limited to 400 MB, and this program needs 450 MB"),
        (460, r"the address space \(ulimit -v\) is limited to 460 MB, and the network in .* needs \d+ MB"),
        (900, ""),
    ],
)
def test_a_small_address_space(tmp_path: Path, megabytes: int, words: str) -> None:
    options = ["--demo", *(["--imgsz", "640"] if words else ["--format", "parquet"])]
    code, line, _ = ended(tmp_path, *options, preexec_fn=limited(resource.RLIMIT_AS, megabytes * MB))
    assert code == (7 if words else 0), line
    assert re.search(words, line)


def test_a_library_that_cannot_be_mapped_is_a_shortage() -> None:
    error = ImportError("libavcodec.so.62: failed to map segment from shared object")
    assert "memory" in str(shortage_of(error, "this run"))


@contextmanager
def processes_limited(most: int) -> Iterator[Callable[[], None]]:
    """What has a process join a control group of at most so many processes and threads, and use one CPU alone: with
    more, libraries start more threads.
    """
    try:
        folder = Path(mkdtemp(prefix="yolo-bac-", dir=_JOINED))
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    try:
        if not (folder / "pids.max").exists():
            pytest.skip("no controller of processes here")
        (folder / "pids.max").write_text(str(most))

        def join() -> None:
            (folder / "cgroup.procs").write_text(str(os.getpid()))
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

        yield join
    finally:
        for _ in range(100):
            with suppress(OSError):  # busy: a process that has ended leaves a moment later
                folder.rmdir()
                break
            time.sleep(0.05)


@pytest.mark.parametrize("most", [1, 2, 4, 5, 8, 32])
def test_few_processes(tmp_path: Path, most: int) -> None:
    with processes_limited(most) as join:
        code, line, _ = ended(tmp_path, "--demo", preexec_fn=join)
    assert code == (0 if most >= 5 else 7), line
    if code:
        assert f"(pids limit {most})" in line and "--pids-limit 256" in line


@pytest.mark.parametrize(("most", "code"), [(8, 7), (12, 7), (32, 0)])
def test_few_processes_for_parquet(tmp_path: Path, most: int, code: int) -> None:
    with processes_limited(most) as join:
        found, line, status = ended(tmp_path, "--demo", "--format", "parquet", preexec_fn=join)
    assert found == code, line
    if code:
        assert f"(pids limit {most}), and --format parquet needs" in line
        assert not status


UNPRIVILEGED = """
import os, resource, sys, threading
from entrypoint.host.shortage import shortage_of
os.setuid(int(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_NPROC, (2, 2))
held = threading.Event()
try:
    for _ in range(3):
        threading.Thread(target=held.wait, daemon=True).start()
except RuntimeError as error:
    print(shortage_of(error, "this run"))
os._exit(0)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_few_processes_of_a_user() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", UNPRIVILEGED, str(_NOBODY)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "(ulimit -u 2)" in ended.stdout and "--ulimit nproc=1024" in ended.stdout


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({}, (None, 0)),
        ({"pids.max": "max", "pids.current": "7"}, (None, 0)),
        ({"pids.max": "8", "pids.current": "7"}, (8, 7)),
        ({"pids/pids.max": "8", "pids/pids.current": "7"}, (8, 7)),
        ({"pids/pids.max": "8"}, (8, 0)),
    ],
)
def test_processes_of_the_cgroup(tmp_path: Path, files: dict[str, str], found: tuple[int | None, int]) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    assert limits.processes(tmp_path, tmp_path / "own") == found
    if found[0]:
        assert limits.threads(tmp_path, tmp_path / "own") <= 2


READING = """
import resource, sys
from entrypoint.errors import ResourceError
from entrypoint.sources.extent import opened
from entrypoint.sources.walk import read_head
resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
for read in (read_head, lambda path: opened(path).__enter__()):
    try:
        print(read(sys.argv[1]))
    except ResourceError as error:
        print(error.exit_code, error)
"""


def test_too_many_open_files_are_no_fault_of_an_input() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", READING, DEMO_SCENES / "scene-1.png"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert [line[:1] for line in ended.stdout.splitlines()] == ["7", "7"] and "(ulimit -n 3)" in ended.stdout


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
def test_too_many_open_files_are_no_fault_of_the_output(tmp_path: Path, number: int) -> None:
    with pytest.raises(ResourceError, match="ulimit -n"), output_errors(tmp_path):
        raise OSError(number, os.strerror(number))


def test_other_errors_of_the_output_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(OutputError), output_errors(tmp_path):
        raise OSError(errno.EROFS, "Read-only file system")


def test_the_soft_limit_of_open_files_is_raised_before_one_is_refused() -> None:
    code = (
        "import resource; from entrypoint.host.shortage import require_files;"
        "_, hard = resource.getrlimit(resource.RLIMIT_NOFILE);"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (12, hard)); require_files(40, 'this program')"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_what_was_opened_for_trial_is_closed() -> None:
    before = os.listdir("/proc/self/fd")  # noqa: PTH208
    require_files(20, "this program")
    assert os.listdir("/proc/self/fd") == before  # noqa: PTH208


STARTING = """
import resource, threading
from entrypoint.host import memory
import concurrent.futures.thread
most = memory._status("VmData")
resource.setrlimit(resource.RLIMIT_DATA, (most, resource.RLIM_INFINITY))
with memory.starting_threads():
    thread = threading.Thread(target=lambda: None)
    thread.start()
thread.join()
print(resource.getrlimit(resource.RLIMIT_DATA)[0] == most)
"""


def test_a_thread_starts_where_no_memory_is_left() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", STARTING], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert ended.stdout == "True\n"


def test_a_shortage_names_every_limit_that_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "memory_limit", lambda: 256 * MB)
    monkeypatch.setattr(limits, "address_space", lambda: 900 * MB)
    message = str(memory.shortage("the network"))
    assert "memory is limited to 256 MB and the address space (ulimit -v) is limited to 900 MB" in message
    assert "--memory 4gb" in message and "`ulimit -v unlimited`" in message
