"""detections.parquet and images.parquet: the two tables by columns, for DuckDB, polars, pandas and the like."""

import os
import queue
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import IO, TYPE_CHECKING

from entrypoint.errors import UsageError
from entrypoint.results.formats.base import RunFilesFormat
from entrypoint.results.formats.tables import Value, detection_rows, image_row
from entrypoint.results.runfolder import RunFolder
from entrypoint.results.runstatus import RunStatus
from entrypoint.values import Record

if TYPE_CHECKING:
    import polars

# Rows that are turned into columns together: more need more memory and gain no time.
_CHUNK_ROWS = 100_000

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
    """Compressed by Zstandard, in row groups of about 100,000; the memory it takes does not grow with the rows."""

    name = "parquet"
    help = "detections.parquet and images.parquet: the tables by columns, for DuckDB, polars or pandas."
    files = ("detections.parquet", "images.parquet")

    def expect(self, files: Sequence[str]) -> None:
        if find_spec("polars") is None:
            raise UsageError(
                "--format parquet needs the package polars, which is not here: the container image for CPUs is without "
                "it; leave parquet out, or make it elsewhere with `yolo-bac convert-results`"
            )

    @contextmanager
    def writing_all(
        self, files: Sequence[IO[bytes]], status: RunStatus, folder: RunFolder
    ) -> Iterator[Callable[[Record], None]]:
        with _columns(files[0], _DETECTIONS) as add_detection, _columns(files[1], _IMAGES) as add_image:

            def take(record: Record) -> None:
                for row in detection_rows(record):
                    add_detection(row)
                add_image(image_row(record))

            yield take


@contextmanager
def _columns(file: IO[bytes], types: Mapping[str, str]) -> Iterator[Callable[[tuple[Value, ...]], None]]:
    """For the time of the block, what adds a row to the table in `file`. What the file's writer raises is raised here.

    Polars asks for chunks while this program hands rows out: a thread lets each have its way, with one chunk between.
    """
    sink = _Sink(file, types)
    rows: list[tuple[Value, ...]] = []

    def add(row: tuple[Value, ...]) -> None:
        rows.append(row)
        if len(rows) == _CHUNK_ROWS:
            sink.put(rows)
            rows.clear()

    try:
        yield add
        sink.put(rows)
    except BaseException:
        sink.abandon()
        raise
    sink.close()


class _AbandonedError(Exception):
    """The rows end before the table is whole."""


class _Sink:
    """A thread in which polars writes chunks of rows to a file."""

    def __init__(self, file: IO[bytes], types: Mapping[str, str]) -> None:
        import polars  # 0.6 seconds, for those alone who ask for this format

        self._polars, self._file = polars, file
        self._schema = {name: getattr(polars, kind) for name, kind in types.items()}
        self._chunks: queue.Queue[polars.DataFrame | _AbandonedError | None] = queue.Queue(1)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._write, name="parquet", daemon=True)
        self._thread.start()

    def put(self, rows: list[tuple[Value, ...]]) -> None:
        """Hand over some rows. Raises what the writing of earlier ones raised."""
        self._hand_over(self._polars.DataFrame(rows, schema=self._schema, orient="row"))

    def close(self) -> None:
        """Wait until all is written. Raises what the writing raised."""
        self._hand_over(None)
        self._thread.join()
        if self._error is not None:
            raise _as_os_error(self._error)

    def abandon(self) -> None:
        """End the thread; the file is not whole."""
        while self._thread.is_alive():
            try:
                self._chunks.put(_AbandonedError(), timeout=0.1)
                break
            except queue.Full:
                continue
        self._thread.join()

    def _hand_over(self, chunk: "polars.DataFrame | None") -> None:
        while self._error is None:
            try:
                self._chunks.put(chunk, timeout=0.1)
                return
            except queue.Full:
                continue
        raise _as_os_error(self._error)

    def _write(self) -> None:
        from polars.io.plugins import register_io_source

        try:
            table = register_io_source(self._given, schema=self._schema, is_pure=True)
            table.sink_parquet(self._file, row_group_size=_CHUNK_ROWS, engine="streaming")
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that adds rows
            self._error = error

    def _given(self, *_: object) -> "Iterator[polars.DataFrame]":
        """The chunks, as polars asks for them. All columns and rows: nobody selects from this table."""
        while (chunk := self._chunks.get()) is not None:
            if isinstance(chunk, _AbandonedError):
                raise chunk
            yield chunk


def _as_os_error(error: BaseException) -> BaseException:
    """Polars wraps what the operating system says, as that the disk is full, into an error of its own."""
    number = re.search(r"\(os error (\d+)\)", str(error))
    return OSError(int(number[1]), os.strerror(int(number[1]))) if number else error
