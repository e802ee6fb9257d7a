"""jsonl, csv and parquet: two tables, the same in each, read back by DuckDB, polars and Python's own readers."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import polars
import pytest

from entrypoint.errors import OutputError, UsageError
from entrypoint.exif import Exif
from entrypoint.results.claim import claim
from entrypoint.results.formats import write_run
from entrypoint.results.formats.csv import Csv
from entrypoint.results.formats.jsonl import JsonLines
from entrypoint.results.formats.parquet import Parquet
from entrypoint.results.runfolder import output_errors
from entrypoint.settings import Settings
from entrypoint.values import Detection, Record
from tests.conftest import ROOT
from tests.results.formats.tree import NAMES, RECORDS, STATUS, VIDEO, found, write

EXPECTED_DETECTIONS = [
    ("a b/x.jpg", 0, 1, NAMES[1], 0.926123, 0.0, 91.9731, 15.3912, 120.0),
    ("a b/x.jpg", 1, 0, NAMES[0], 0.3, 20.5, 1.25, 100.0, 333.0),
    ("a b/ü (1).jpg", 0, 2, NAMES[2], 1.0, 12.3456, 7.8901, 320.5, 239.25),
]
EXPECTED_IMAGES = [
    ("a b/x.jpg", 100, 333, 2, None),
    ("a b/ü (1).jpg", 640, 480, 1, None),
    ("broken.jpg", None, None, None, "damaged: it ends in the middle\r\nof the <data>"),
    ("x.jpg", 64, 48, 0, None),
]
FORMATS = [(JsonLines, "jsonl"), (Csv, "csv"), (Parquet, "parquet")]


def by_duckdb(path: Path, columns: int) -> list[Any]:
    """The first columns of a file's rows."""
    with duckdb.connect() as database:
        return [row[:columns] for row in database.execute("FROM '" + str(path) + "'").fetchall()]


def by_polars(path: Path, columns: int) -> list[Any]:
    """The first columns of a file's rows."""
    read: dict[str, Callable[[Path], polars.DataFrame]] = {
        ".jsonl": polars.read_ndjson,
        ".csv": polars.read_csv,
        ".parquet": polars.read_parquet,
    }
    return [row[:columns] for row in read[path.suffix](path).rows()]


@pytest.mark.parametrize("reader", [by_duckdb, by_polars])
@pytest.mark.parametrize(("kind", "suffix"), FORMATS, ids=[suffix for _, suffix in FORMATS])
def test_data_tools_read_every_value_back(
    tmp_path: Path, kind: Any, suffix: str, reader: Callable[[Path, int], list[Any]]
) -> None:
    run = write(kind, tmp_path)
    assert reader(run / f"detections.{suffix}", 9) == EXPECTED_DETECTIONS
    assert reader(run / f"images.{suffix}", 5) == EXPECTED_IMAGES


@pytest.mark.parametrize(("kind", "suffix"), FORMATS, ids=[suffix for _, suffix in FORMATS])
def test_detections_of_videos_have_their_frame_and_time(tmp_path: Path, kind: Any, suffix: str) -> None:
    run = write(kind, tmp_path, VIDEO)
    assert [row[0][9:] for row in [(row,) for row in by_duckdb(run / f"detections.{suffix}", 11)]] == [
        (0, 0.0),
        (7, 0.28),
    ]


@pytest.mark.parametrize(("kind", "suffix"), FORMATS, ids=[suffix for _, suffix in FORMATS])
def test_images_have_the_time_and_the_place_where_they_were_taken(tmp_path: Path, kind: Any, suffix: str) -> None:
    taken = Exif("2026:05:31 18:00:05", -33.8599, 151.2111)
    run = write(kind, tmp_path, replace(RECORDS[0], exif=taken), replace(RECORDS[3], exif=Exif()))
    with duckdb.connect() as database:
        found = database.execute(f"SELECT datetime, latitude, longitude FROM '{run}/images.{suffix}'").fetchall()
    assert found == [("2026:05:31 18:00:05", -33.8599, 151.2111), (None, None, None)]


def test_a_line_of_a_still_says_nothing_of_frames(tmp_path: Path) -> None:
    run = write(JsonLines, tmp_path)
    for line in (run / "detections.jsonl").read_text().splitlines():
        assert not {"frame", "time"} & set(json.loads(line))


def test_a_carriage_return_does_not_break_a_row_of_csv(tmp_path: Path) -> None:
    run = write(Csv, tmp_path)
    with (run / "images.csv").open(newline="") as file:
        assert len(list(csv.reader(file))) == 1 + len(RECORDS)


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_no_end_of_line_in_a_name_breaks_a_row_of_csv(tmp_path: Path, end: str) -> None:
    name = f"plain{end}.jpg"
    run = write(Csv, tmp_path, Record(name, 10, 10, (Detection("cat", 0, 0.5, (1, 2, 3, 4)),)))
    for table in Csv.files:
        with (run / table).open(newline="") as file:
            rows = list(csv.reader(file))
        assert len(rows) == 2 and name in rows[1]


@pytest.mark.parametrize("records", [[], [Record("x.jpg", 1, 1, ())]], ids=["no input", "nothing found"])
def test_a_table_without_rows_still_has_its_columns(tmp_path: Path, records: list[Record]) -> None:
    table = polars.read_parquet(written(tmp_path, records) / "detections.parquet")
    assert table.is_empty() and table.columns[:3] == ["file", "index", "class"]


def written(project: Path, records: Iterable[Record]) -> Path:
    """The folder of a run with these records as Parquet."""
    with closing(claim(project, "exp", {})) as folder:
        write_run([Parquet(Settings(), NAMES)], folder, records, STATUS)
    return folder.path


def test_a_hundred_thousand_detections_as_parquet_are_the_same_for_both_readers(tmp_path: Path) -> None:
    records = (
        Record(f"{number:05}.jpg", 640, 480, (found(0, 0.5, (number % 640, 0.0, 640.0, 480.0)),) * 10)
        for number in range(10_500)
    )
    path = written(tmp_path, records) / "detections.parquet"
    table = polars.read_parquet(path)
    assert len(table) == 105_000
    assert table["file"].is_sorted()
    with duckdb.connect() as database:
        theirs = database.execute(f"SELECT count(*), sum(x1), count(DISTINCT file) FROM '{path}'").fetchone()
    assert theirs == (105_000, table["x1"].sum(), 10_500)


def test_a_full_disk_ends_parquet_with_the_programs_own_error(tmp_path: Path) -> None:
    with (
        closing(claim(tmp_path, "exp", {})) as folder,
        pytest.raises(OutputError, match="no space left"),
        output_errors(folder.path),
        Path("/dev/full").open("wb", buffering=0) as full,
        Parquet(Settings(), NAMES).writing_all([full, full], STATUS, folder) as take,
    ):
        for record in RECORDS:
            take(record)


def test_what_fails_while_rows_are_added_ends_the_process_and_leaves_no_file(tmp_path: Path) -> None:
    def records() -> Iterator[Record]:
        yield RECORDS[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        written(tmp_path, records())
    assert not list(tmp_path.rglob("*.parquet"))
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_without_polars_parquet_is_refused_before_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("entrypoint.results.formats.parquet.find_spec", lambda name: None)
    with pytest.raises(UsageError, match="polars"):
        Parquet(Settings(), NAMES).require()


def test_polars_is_imported_by_those_alone_who_ask_for_parquet() -> None:
    code = "import sys, entrypoint.results.formats.parquet; sys.exit('polars' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
