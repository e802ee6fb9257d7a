"""A process of its own that writes tables as Parquet: polars aborts or hangs where it gets no memory or no thread.

It imports nothing of this program. Rows come through standard input, and what went wrong goes to standard output.
"""

import marshal
import os
import resource
import signal
import sys
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars

PATIENCE_SECONDS = 60
"""The process ends itself where it has done nothing with the rows that it has for so long."""
_LENGTH_BYTES = 8


def write_tables(source: IO[bytes], descriptors: list[int], row_group_size: int) -> None:
    """Write one table to each of these files. Each comes as a dictionary, the kinds of columns by name, then lists of
    rows, and None behind the last.
    """
    import polars
    from polars.io.plugins import register_io_source

    for descriptor in descriptors:
        schema = {name: getattr(polars, kind) for name, kind in _next(source).items()}

        def chunks(*_: object, schema: dict[str, Any] = schema) -> "Iterator[polars.DataFrame]":
            """All columns and rows: nobody selects from this table."""
            while (rows := _next(source)) is not None:
                yield polars.DataFrame(rows, schema=schema, orient="row")

        with open(descriptor, "wb", closefd=False) as file:
            table = register_io_source(chunks, schema=schema, is_pure=True)
            table.sink_parquet(file, row_group_size=row_group_size, engine="streaming")


def packed(value: Any) -> bytes:
    """A value as `write_tables` reads it: the length in front, for marshal takes bytes faster than a file."""
    data = marshal.dumps(value)
    return len(data).to_bytes(_LENGTH_BYTES) + data


def _next(source: IO[bytes]) -> Any:
    signal.alarm(0)  # it is for the other process to go on
    length = int.from_bytes(source.read(_LENGTH_BYTES))
    data = source.read(length)
    signal.alarm(PATIENCE_SECONDS)
    return marshal.loads(data)  # noqa: S302 - from this program itself


def main(data_bytes: str, row_group_size: str, *descriptors: str) -> int:
    """Write tables within so many bytes of data, -1 for no limit; gives the exit code."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(PATIENCE_SECONDS)
    granted, (_, hard) = int(data_bytes), resource.getrlimit(resource.RLIMIT_DATA)
    if granted >= 0:
        soft = granted if hard == resource.RLIM_INFINITY else min(granted, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
    try:
        write_tables(sys.stdin.buffer, list(map(int, descriptors)), int(row_group_size))
    except BaseException as error:  # noqa: BLE001 - Rust's panics are no Exception
        print(f"{type(error).__name__}: {error}", flush=True)
        return 1
    return 0


if __name__ == "__main__":
    os._exit(main(*sys.argv[1:]))  # polars's threads need no end
