"""`yolo-bac convert-results`: further formats of a run that has ended, in a folder of their own."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from entrypoint import log
from entrypoint.errors import EXIT_MEDIA_FAILED, EXIT_OK, SourceError, UsageError, YoloBacError, exit_code_of
from entrypoint.host.shortage import shortages_named
from entrypoint.jsontext import compact
from entrypoint.log import LOG
from entrypoint.results.formats import all_formats, check_names, require, write_run
from entrypoint.results.formats.base import Format, MediumFormat
from entrypoint.results.formats.coco_results import CocoResults, ids_of
from entrypoint.results.formats.frames import Frames
from entrypoint.results.framerecords import StoredDetections
from entrypoint.results.journal import JOURNAL
from entrypoint.results.runfolder import RunFolder
from entrypoint.results.runstatus import STATUS
from entrypoint.results.settling import settled
from entrypoint.results.summary import print_summary
from entrypoint.settings import Settings
from entrypoint.shards.claimed import claimed
from entrypoint.shards.damage import noted
from entrypoint.shards.journaling import journal_of, records_of
from entrypoint.shards.meeting import Meeting, database_errors
from entrypoint.shards.parts import Part
from entrypoint.text import printable
from entrypoint.values import Record


def convert(run: Path, options: Mapping[str, Any], truth: Path | None) -> int:
    """Write the formats that the option `format` names from the records in the folder `run`; give the exit code.

    Options that decide results and are not given are as they were for the run. The formats go to `<project>/<name>`, as
    whole as the run would have left them there, and what was found in the frames of videos with them. COCO's results
    get the ids of the ground truth `truth`. Raises UsageError for a format that needs pixels, SourceError where there
    is no run.
    """
    kinds = _convertible(Settings(**options))
    part = _run_in(run)
    settings = replace(part.made_with, **options)
    if part.status.state != "finished":
        LOG.warning("the run in %s is %s: what it has not looked at is left out", printable(run), part.status.state)
    formats = [kind(settings, part.names) for kind in kinds]
    if truth and CocoResults not in kinds:
        raise UsageError(f"--truth is for --format {CocoResults.name}, which is not asked for")
    for one in formats:
        if isinstance(one, CocoResults) and truth:
            one.image_ids, one.category_ids = ids_of(truth)
    require(formats)
    with claimed(settings.project, settings.name, part.status.identity, resume=False) as folder:
        try:
            with shortages_named("this conversion"), database_errors(folder.path):
                return _convert(part, formats, folder)
        except (SourceError, UsageError):
            raise
        except Exception as error:
            _say_why_it_failed(part, folder, error)
            raise


def _convert(part: Part, formats: Sequence[Format], folder: RunFolder) -> int:
    with closing(Meeting(folder.scratch / "merge.sqlite")) as meeting:
        damaged = _read(part, meeting)
        files = list(meeting.files())
        for one in formats:
            one.expect(files)
        log.release()
        damaged += _write_each(formats, folder, meeting, part)
    write_run(formats, folder, records_of(folder), part.status)
    names = tuple(one.name for one in formats)
    left = tuple(dict.fromkeys((*names, Frames.name)))
    folder.write_status(replace(part.status, formats=left, left=folder.left))
    print_summary(f"{len(files)} inputs as {', '.join(names)}.\nResults: {printable(folder.path)}\n")
    return EXIT_MEDIA_FAILED if damaged else EXIT_OK


def _say_why_it_failed(part: Part, folder: RunFolder, error: Exception) -> None:
    """Write a status.json that says why the conversion failed, if the output folder still takes it."""
    message = printable(error) or type(error).__name__
    code, left = exit_code_of(error), folder.left
    failed = replace(part.status, state="failed", exit_code=code, message=message, formats=(), left=left)
    with suppress(YoloBacError):
        folder.write_status(failed)


def _convertible(settings: Settings) -> list[type[Format]]:
    check_names(settings)
    kinds = [kind for kind in all_formats() if kind.name in settings.format]
    if not kinds:
        raise UsageError("convert-results: no format is named; expected --format and the names of some")
    for kind in kinds:
        if kind.needs_images:
            others = ", ".join(one.name for one in all_formats() if not one.needs_images)
            why = "is written while images are looked at: only a run can do that"
            raise UsageError(f"--format {kind.name} {why}; expected some of {others}")
    return kinds


def _run_in(folder: Path) -> Part:
    try:
        return Part.read(folder)
    except (OSError, ValueError) as error:
        raise SourceError(
            f"{printable(folder)} holds no run ({error}); expected a folder that yolo-bac left, with its {STATUS}"
        ) from error


def _read(part: Part, meeting: Meeting) -> int:
    """Sort the records of a run; how many lines are damaged. Raises SourceError where they cannot be read."""
    damaged = 0
    try:
        for line, file, said in part.entries():
            if isinstance(said, str):
                damaged += 1
                LOG.warning("%s, line %d, is not a whole record: %s; left out", JOURNAL, line, said)
            else:
                meeting.put(0, file, said)
    except OSError as error:
        raise SourceError(
            f"{printable(part.path / JOURNAL)} cannot be read: {error.strerror}; expected a run folder with its records"
        ) from error
    meeting.end_part()
    return damaged


def _write_each(formats: Sequence[Format], folder: RunFolder, meeting: Meeting, part: Part) -> int:
    """What belongs to one input each, and the journal, which vouches for it; of how many records something is lost."""
    lost = 0
    of_media = [one for one in formats if isinstance(one, MediumFormat)]
    with journal_of(folder) as append:
        for entry, _ in meeting.entries():
            damages: list[str] = []
            record = _with_frames(entry.record, folder, part, damages.append)
            line = b"" if record.video else compact(record.to_json())
            for one in of_media:
                with noted(record.file, folder, damages.append):
                    one.write(record, line, partial(folder.write, record.file))
            append(replace(entry, record=record), line)
            for damage in damages:
                LOG.warning("%s", damage)
            lost += bool(damages)
    return lost


def _with_frames(record: Record, folder: RunFolder, part: Part, note: Callable[[str], None]) -> Record:
    """The record, with what was found in the frames of a video brought over to where the record says it is."""
    if isinstance(record.detections, StoredDetections):
        path = record.detections.path
        with noted(path, folder, note), part.opened(path) as descriptor:
            folder.adopt(record.file, descriptor, Frames.path(record.file))
    now = settled(record, str, folder.tree, part.names)
    if now.failure != record.failure:
        note(f"the results of {printable(record.file)} are lost: {now.failure}")
    return now
