"""`yolo-bac merge`: the parts of a job, however nested or incomplete, into one run. Merging is associative."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from entrypoint import log
from entrypoint.errors import EXIT_MEDIA_FAILED, EXIT_OK, OutputError, SourceError
from entrypoint.host.shortage import raise_if_out_of_files, shortages_named
from entrypoint.jsontext import compact
from entrypoint.log import LOG
from entrypoint.results.claim import start_over
from entrypoint.results.formats import named, places, result_folders, write_run
from entrypoint.results.formats.base import MediumFormat
from entrypoint.results.journal import JOURNAL
from entrypoint.results.journalentry import Entry
from entrypoint.results.paths import twin_path, twins
from entrypoint.results.runfolder import RunFolder
from entrypoint.results.runstatus import PARTS, State
from entrypoint.results.settling import settled
from entrypoint.results.status import Counts, Status
from entrypoint.results.summary import print_summary, summary, verdict
from entrypoint.shards.beside import run_names, said_of_runs, without_repeats
from entrypoint.shards.claimed import claimed
from entrypoint.shards.damage import noted
from entrypoint.shards.job import CONTENT, Job, contradiction
from entrypoint.shards.journaling import journal_of, records_of
from entrypoint.shards.meeting import Meeting, database_errors
from entrypoint.shards.parts import Part, unpack
from entrypoint.shards.search import find_parts
from entrypoint.text import printable
from entrypoint.values import Record


def merge(folders: Sequence[Path], project: Path, name: str, *, side_by_side: bool = False) -> int:
    """Merge all parts below `folders` into the run `<project>/<name>` and give the exit code.

    One that was broken off is started over in its folder by the same command. Raises SourceError when there is no
    part, or the parts are not of one job; OutputError. Runs that are to stand `side_by_side` may be of any sources.
    """
    parts, damaged = find_parts(folders)
    if side_by_side:
        parts = without_repeats(parts)
    job = Job.side_by_side(parts, run_names(parts)) if side_by_side else Job.of(parts)
    for part in damaged:
        job.note_damage(part)
    identity = job.identity | {PARTS: sorted(printable(part.path.absolute()) for part in parts)}
    with claimed(project, name, identity) as folder:
        if folder.continued:
            start_over(folder)
        with closing(Meeting(folder.scratch / "merge.sqlite")) as meeting:
            return _Merge(job, parts, folder, meeting).run(identity)


def _is_result(_: str, path: str) -> bool:
    """Whether a file of a part may be a result of one of its inputs."""
    return path.partition("/")[0] in result_folders()


class _Merge:
    def __init__(self, job: Job, parts: Sequence[Part], folder: RunFolder, meeting: Meeting) -> None:
        self._job, self._parts, self._folder, self._meeting = job, parts, folder, meeting
        self._formats = named(job.formats, job.made_with, job.names)
        self._twins = frozenset[str]()
        self._prefixes = [f"{name}/" for name in job.runs] or [""] * len(parts)

    def run(self, identity: dict[str, Any]) -> int:
        """Do it, and give the exit code."""
        job, counts = self._job, Counts(0)
        facts: dict[str, Any] = {
            "identity": identity,
            "settings": job.settings,
            "weights": job.weights,
            "device": job.device,
            "engine": job.engine,
            "versions": job.versions,
            "source": job.source,
            "shard": None,
            "part": None,
            "ignored": job.ignored,
            "formats": job.formats,
        }
        status = Status(self._folder, counts, facts)
        status.write("running", None, "merging")
        try:
            with shortages_named("this merge"), database_errors(self._folder.path):
                return self._merge(status, facts)
        except Exception as error:
            status.fail(error)
            raise

    def _merge(self, status: Status, facts: dict[str, Any]) -> int:
        job, counts = self._job, status.counts
        for number, part in enumerate(self._parts):
            self._meet(number, part)
        LOG.info("%d parts into %s", len(self._parts), self._folder.path)
        log.release()
        unpack(self._parts, self._folder.scratch, _is_result)
        self._take_all(counts)
        counts.total = counts.done + counts.failed + sum(job.left.values())
        facts["merged"] = job.coverage
        if job.runs:
            facts["runs"] = said_of_runs(self._parts, job.runs)
        if ";" in job.engine:
            LOG.warning("the parts were computed by different engines (%s), so last digits may differ", job.engine)
        if job.repeats:
            LOG.warning("%s", job.repeats)
        gaps = job.gaps
        exit_code = EXIT_MEDIA_FAILED if gaps or counts.failed > job.max_failures else EXIT_OK
        message = f"Incomplete: {gaps}. {verdict(counts)}" if gaps else verdict(counts)
        state: State = "stopped" if gaps else "finished"
        write_run(self._formats, self._folder, records_of(self._folder), status.complete(state, exit_code, message))
        status.write(state, exit_code, message)
        print_summary(summary(counts, self._folder.path, status.seconds, message))
        return exit_code

    def _meet(self, number: int, part: Part) -> None:
        """Read a part. Raises SourceError where it has looked at other inputs of the same names than another part."""
        try:
            for line, file, said in part.entries():
                if isinstance(said, str):
                    self._damaged(part, f"{JOURNAL}, line {line}, is not a whole record: {said}; left out")
                else:
                    self._meeting.put(number, *self._named(number, file, said))
        except OSError as error:
            raise_if_out_of_files(error)
            self._damaged(part, f"{JOURNAL} cannot be read: {error.strerror}")
        if found := self._meeting.contradiction():
            file, other, how = found
            raise SourceError(contradiction(self._parts[other], part, CONTENT, f"{printable(file)} {how}"))
        self._job.cover(number, part, self._meeting.end_part())

    def _named(self, number: int, file: str, entry: Entry | None) -> tuple[str, Entry | None]:
        """The same, as the merged run calls the input."""
        name = self._prefixes[number] + file
        return name, entry and replace(entry, record=replace(entry.record, file=name))

    def _take_all(self, counts: Counts) -> None:
        """Bring over the results of every record that stays, and write the journal."""
        if not self._folder.tells_case:
            self._twins = twins(self._meeting.files())
        with journal_of(self._folder) as append:
            for entry, number in self._meeting.entries():
                entry = self._take(entry, number)
                counts.add(entry.record)
                append(entry, None)

    def _take(self, entry: Entry, number: int) -> Entry:
        """Bring over those files of a part that a record names, where it may have left such; gives what it is then."""
        file, part, prefix = entry.record.file, self._parts[number], self._prefixes[number]
        before = replace(entry.stored(part.files.open).record, file=file.removeprefix(prefix))
        renamed = [kind for kind in self._formats if prefix and isinstance(kind, MediumFormat)]
        try:
            made_anew = places(renamed, before, entry.files)
            allowed = places([kind for kind in self._formats if kind not in renamed], before, entry.files, file)
        except OutputError as error:
            self._damaged(part, str(error))
            return self._settled(entry, part)
        for path in entry.files:
            if path in made_anew:
                continue
            plain = allowed.get(path)
            if plain is None:
                self._damaged(part, f"{printable(path)} is no place for a result of {printable(file)}")
                continue
            with noted(path, self._folder, partial(self._damaged, part)), part.opened(path) as descriptor:
                self._folder.adopt(file, descriptor, self._place(file, plain))
        entry = self._settled(entry, part)
        self._write_media(renamed, entry.record, part)
        return entry

    def _write_media(self, kinds: Sequence[MediumFormat], record: Record, part: Part) -> None:
        """Write what holds the name of an input, where that is another now."""

        def leave(path: str, data: bytes | memoryview | Iterator[bytes]) -> None:
            self._folder.write(record.file, self._place(record.file, path), data)

        line = compact(record.to_json()) if kinds and not record.video else b""
        for kind in kinds:
            with noted(record.file, self._folder, partial(self._damaged, part)):
                kind.write(record, line, leave)

    def _place(self, file: str, path: str) -> str:
        return twin_path(path) if file in self._twins else path

    def _settled(self, entry: Entry, part: Part) -> Entry:
        file = entry.record.file
        record = settled(entry.record, partial(self._place, file), self._folder.tree, self._job.names)
        if record.failure != entry.record.failure:
            self._damaged(part, f"the results of {printable(file)} are lost: {record.failure}")
        return replace(entry, record=record)

    def _damaged(self, part: Part, what: str) -> None:
        message = f"{printable(part.path)}: {what}"
        self._job.note_damage(message)
        LOG.warning("%s", message)
