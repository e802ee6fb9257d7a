"""The journal of a run that is made of the records of others, and these records once all of them are in it."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from entrypoint.results.journal import JOURNAL
from entrypoint.results.journalentry import Entry
from entrypoint.results.journallines import lines
from entrypoint.results.runfolder import RunFolder, output_errors, write_all
from entrypoint.values import Record


@contextmanager
def journal_of(folder: RunFolder) -> Iterator[Callable[[Entry, bytes | None], None]]:
    """For the time of the block, what appends entries, each with the results that its input has left in the folder.

    It takes the record's JSON too, where that is at hand. Raises OutputError.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    with output_errors(folder.path / JOURNAL):
        journal = os.open(JOURNAL, flags, dir_fd=folder.tree.descriptor)

    def append(entry: Entry, record: bytes | None = None) -> None:
        with output_errors(folder.path / JOURNAL), folder.ledger.recording(entry.record.file) as left:
            write_all(journal, memoryview(Entry(entry.record, entry.state, left).to_line(record)))

    try:
        yield append
    finally:
        os.close(journal)


def records_of(folder: RunFolder) -> Iterator[Record]:
    """The records of the journal, in its order. Raises OutputError."""
    with output_errors(folder.path / JOURNAL):
        descriptor = folder.tree.open(JOURNAL)
        try:
            for _, line in lines(descriptor):
                yield Entry.from_line(line).stored(folder.tree.open).record
        finally:
            os.close(descriptor)
