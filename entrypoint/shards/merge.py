"""`yolo-bac merge`: the parts of a job, however nested or incomplete, into one run.

Records meet in a database on disk, so that memory does not grow with their number. Which of two records for the same
input stays depends on the records alone, not on the order of the parts: merging is associative.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from entrypoint import log
from entrypoint.errors import EXIT_MEDIA_FAILED, EXIT_OK, SourceError
from entrypoint.log import LOG
from entrypoint.results.formats import write_run
from entrypoint.results.formats.crops import crop_place
from entrypoint.results.formats.images import added_suffixes
from entrypoint.results.recordstore import RecordStore
from entrypoint.results.runfolder import RunFolder, result_path
from entrypoint.results.status import Counts, Status
from entrypoint.results.summary import print_summary, summary, verdict
from entrypoint.settings import Settings
from entrypoint.shards.parts import Job, Part, find_parts
from entrypoint.text import printable
from entrypoint.values import Record, compact

_TABLE = "CREATE TABLE records (file TEXT PRIMARY KEY, failed INT, line TEXT, part INT) WITHOUT ROWID"
# Detections before a failure; then whichever text comes first: any rule will do that does not see the parts' order.
_INSERT = """
    INSERT INTO records VALUES (?, ?, ?, ?) ON CONFLICT (file) DO UPDATE
    SET failed = excluded.failed, line = excluded.line, part = excluded.part
    WHERE (excluded.failed, excluded.line) < (failed, line)
"""


def merge(folders: Sequence[Path], project: Path, name: str) -> int:
    """Merge all parts below `folders` into the run `<project>/<name>` and give the exit code.

    Raises SourceError when there is no part, or the parts are not of one job; OutputError.
    """
    parts = find_parts(folders)
    if not parts:
        where = ", ".join(printable(folder) for folder in folders)
        raise SourceError(f"no part of a run below {where}; expected folders that yolo-bac left, a status.json in each")
    job = Job.of(parts)
    identity = job.identity | {"source": "merged", "parts": sorted(printable(part.path.absolute()) for part in parts)}
    with closing(RunFolder.claim(project, name, identity, resume=False)) as folder:
        return _merge(job, parts, identity, folder)


def _merge(job: Job, parts: Sequence[Part], identity: dict[str, object], folder: RunFolder) -> int:
    facts = {
        "identity": identity,
        "settings": job.settings,
        "weights": job.weights,
        "device": job.device,
        "engine": job.engine,
        "source": job.source,
        "shard": None,
        "part": None,
        "ignored": job.ignored,
    }
    store, counts = RecordStore(folder), Counts(0)
    status = Status(folder, counts, facts)
    status.write("running", None, "merging")
    LOG.info("%d parts into %s", len(parts), folder.path)
    log.release()
    with closing(sqlite3.connect(folder.scratch / "merge.sqlite", isolation_level=None)) as database:
        database.execute("PRAGMA synchronous = OFF")
        database.execute(_TABLE)
        database.execute("BEGIN")
        for number, part in enumerate(parts):
            records = 0
            for record in part.records():
                records += 1
                line = compact(record.to_json()).decode()
                database.execute(_INSERT, (record.file, record.failure is not None, line, number))
            job.cover(part, records)
        for record, number in _rows(database):
            counts.add(record)
            _take_files(record, parts[number], folder)
            store.save(record)
        counts.total = counts.done + counts.failed + sum(job.left.values())
        settings = Settings(save_csv=job.saves_csv)
        write_run(settings, folder, job.names, (record for record, _ in _rows(database)), status.info)
    facts["merged"] = job.coverage
    if ";" in job.engine:
        LOG.warning("the parts were computed by different engines (%s), so last digits may differ", job.engine)
    if job.repeats:
        LOG.warning("%s", job.repeats)
    gaps = job.gaps
    exit_code = EXIT_MEDIA_FAILED if gaps or counts.failed > job.max_failures else EXIT_OK
    message = f"Incomplete: {gaps}. {verdict(counts)}" if gaps else verdict(counts)
    status.write("stopped" if gaps else "finished", exit_code, message)
    print_summary(summary(counts, folder.path, status.seconds, message))
    return exit_code


def _rows(database: sqlite3.Connection) -> Iterator[tuple[Record, int]]:
    """All records, each with the number of its part, sorted by file as a run sorts them."""
    for line, number in database.execute("SELECT line, part FROM records ORDER BY file"):
        yield Record.from_json(json.loads(line)), number


def _take_files(record: Record, part: Part, folder: RunFolder) -> None:
    """Bring the files that belong to a record over from its part."""
    file = record.file
    places = [("labels", file, [".txt"]), ("images", file, added_suffixes(file))]
    for number, found in enumerate(record.detections or ()):
        where, name = crop_place(file, number, found.name)
        places.append((where, name, added_suffixes(name)))
    for where, name, suffixes in places:
        for suffix in suffixes:
            source = result_path(part.path, where, name, suffix)
            if source.is_file() and not source.is_symlink():
                folder.adopt(source, folder.file(where, name, suffix))
