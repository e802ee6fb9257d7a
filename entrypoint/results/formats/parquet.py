"""detections.parquet and images.parquet: the two tables by columns, for DuckDB, polars, pandas and the like."""

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Self, cast

from entrypoint.errors import UsageError
from entrypoint.host import memory
from entrypoint.host.shortage import require_files, require_threads, shortage_of, shortages_named
from entrypoint.results import parquetwriter
from entrypoint.results.formats.base import RunFilesFormat
from entrypoint.results.formats.tables import Value, detection_rows, image_row
from entrypoint.results.parquetwriter import packed
from entrypoint.results.runfolder import RunFolder
from entrypoint.results.runstatus import RunStatus
from entrypoint.values import Record

_ROW_GROUP = 100_000
_CHUNK_ROWS, _PIECE_BYTES = 1000, 1 << 20  # that go to the other process together
_ASKED = "--format parquet"
# What polars needs, the threads that it starts whatever it is told, and the files that are open while the pipes to its
# process are made.
_BYTES, _THREADS, _FILES = 80_000_000, 14, 22
# It maps so much more than it uses: stacks, and what its allocator sets aside.
_MAPPED_BYTES = 40_000_000
# One thread to compute, small stacks, and one heap for all threads that gives back what it frees: half of the memory.
_ENVIRONMENT = {
    "POLARS_MAX_THREADS": "1",
    "RUST_MIN_STACK": str(512 << 10),
    "MALLOC_ARENA_MAX": "1",
    "_RJEM_MALLOC_CONF": "narenas:1,background_thread:false,dirty_decay_ms:0,muzzy_decay_ms:0",
}
# Rust's words for an error of the system, and what a library says that was imported by half or got no memory.
_OS_ERROR = re.compile(r"(?:os error |Os \{ code: )(\d+)")
_SHORT = re.compile(r"^(MemoryError|ImportError|NameError)\b|memory allocation of|not enough memory", re.MULTILINE)

_DETECTIONS = {
    "file": "String",
    "index": "UInt32",
    "class": "UInt32",
    "name": "String",
    "confidence": "Float64",
    "x1": "Float64",
    "y1": "Float64",
    "x2": "Float64",
    "y2": "Float64",
    "frame": "UInt64",
    "time": "Float64",
}
_IMAGES = {
    "file": "String",
    "width": "UInt32",
    "height": "UInt32",
    "detections": "UInt32",
    "failure": "String",
    "datetime": "String",
    "latitude": "Float64",
    "longitude": "Float64",
}


class Parquet(RunFilesFormat):
    """Compressed by Zstandard, in row groups of about 100,000; the memory it takes does not grow with the rows.

    Polars writes it in a process of its own, for where it gets no memory, or no thread, it ends its process.
    """

    name = "parquet"
    help = "detections.parquet and images.parquet: the tables by columns, for DuckDB, polars or pandas."
    files = ("detections.parquet", "images.parquet")

    def require(self) -> None:
        if find_spec("polars") is None:
            raise UsageError(
                "--format parquet needs the package polars, which is not here: the container image for CPUs is without "
                "it; leave parquet out, or make it elsewhere with `yolo-bac convert-results`"
            )
        memory.set_aside(_BYTES, _ASKED)
        require_threads(_THREADS, _ASKED)
        require_files(_FILES, _ASKED)

    @contextmanager
    def writing_all(
        self, files: Sequence[IO[bytes]], status: RunStatus, folder: RunFolder
    ) -> Iterator[Callable[[Record], None]]:
        with _Writer(files) as writer, tempfile.TemporaryFile(dir=folder.scratch) as later:
            detections = _Rows(lambda rows: writer.send(packed(rows)))
            images = _Rows(lambda rows: later.write(packed(rows)))
            writer.send(packed(_DETECTIONS))

            def take(record: Record) -> None:
                for row in detection_rows(record):
                    detections.add(row)
                images.add(image_row(record))

            yield take
            detections.close()
            images.close()
            writer.send(packed(_IMAGES))
            later.seek(0)
            while piece := later.read(_PIECE_BYTES):
                writer.send(piece)


class _Rows:
    """The rows of a table on their way, some at a time, with None behind the last."""

    def __init__(self, send: Callable[[list[tuple[Value, ...]] | None], object]) -> None:
        self._send, self._rows = send, list[tuple[Value, ...]]()

    def add(self, row: tuple[Value, ...]) -> None:
        self._rows.append(row)
        if len(self._rows) == _CHUNK_ROWS:
            self._send(self._rows)
            self._rows.clear()

    def close(self) -> None:
        self._send(self._rows)
        self._send(None)


class _Writer:
    """The process that writes tables to `files`, one after the other, while what it reads is sent to it.

    It is whole once the block has ended. Raises OSError where a file cannot be written, and ResourceError where the
    process gets no memory or no thread.
    """

    def __init__(self, files: Sequence[IO[bytes]]) -> None:
        descriptors = [file.fileno() for file in files]
        free = memory.room()
        granted = -1 if free is None else max(0, free) + _MAPPED_BYTES
        arguments = (granted, _ROW_GROUP, *descriptors)
        with shortages_named(_ASKED):
            self._process = subprocess.Popen(  # noqa: S603 - this program's own
                [sys.executable, "-P", str(Path(parquetwriter.__file__)), *map(str, arguments)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=descriptors,
                env=os.environ | _ENVIRONMENT,
            )

    def __enter__(self) -> Self:
        return self

    def send(self, data: bytes) -> None:
        """Hand over bytes; waits until the process has taken most of them, which it does or ends."""
        try:
            cast("IO[bytes]", self._process.stdin).write(data)
        except BrokenPipeError:
            self._end()
            raise

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._end()
        else:
            self._process.kill()
            self._process.communicate()

    def _end(self) -> None:
        """Wait for the process, which ends as soon as nothing more is sent. Raise what has kept it from writing all."""
        said = self._process.communicate()[0].decode("utf-8", "backslashreplace")
        code = self._process.returncode
        if not code:
            return
        if number := _OS_ERROR.search(said):
            error = OSError(int(number[1]), os.strerror(int(number[1])))
            raise shortage_of(error, _ASKED) or error
        if _SHORT.search(said) or code == -signal.SIGKILL or (code < 0 and memory.is_limited()):
            raise memory.shortage(_ASKED)
        raise RuntimeError(f"{_ASKED}: the process that writes it ended with {code}: {said}")
