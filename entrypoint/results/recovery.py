"""A run folder that is continued is put right, for a kill or a source that has changed may have left results behind."""

from entrypoint.results.journal import JOURNAL, Journal
from entrypoint.results.runfolder import RunFolder, output_errors


def recover(folder: RunFolder, journal: Journal) -> None:
    """Remove what no record vouches for, and what is left of inputs that are gone. Raises OutputError."""
    _forget_outdated(folder, journal)
    for file, offset in list(journal.unlisted.items()):
        entry = journal.read_at(offset)
        forget(folder, journal, file, entry.files if entry else ())
    begun: dict[str, list[str]] = {}
    for file, path in folder.ledger.earlier:
        if file:
            begun.setdefault(file, []).append(path)
    for file, paths in begun.items():
        recorded = _files_of(journal, file)
        recorded.update(path for segment, _ in journal.segments(file) for path in segment.files)
        folder.remove(tuple(path for path in paths if path not in recorded))
    if folder.ledger.earlier:
        folder.ledger.settle_earlier()


def forget(folder: RunFolder, journal: Journal, file: str, files: tuple[str, ...]) -> None:
    """Remove an input's results, and then its record: a kill in between leaves one that is seen not to hold."""
    folder.remove(files)
    with output_errors(folder.path / JOURNAL):
        journal.take_back(file)


def _forget_outdated(folder: RunFolder, journal: Journal) -> None:
    """Remove the segments of videos that were begun anew, or are gone."""
    for file, segments in journal.outdated.items():
        kept = _files_of(journal, file)
        for segment in segments:
            folder.remove(tuple(path for path in segment.files if path not in kept))
        if journal.index(file) is None and file not in journal.unlisted:
            forget(folder, journal, file, ())


def _files_of(journal: Journal, file: str) -> set[str]:
    """The results that the record of an input vouches for."""
    index = journal.index(file)
    entry = None if index is None else journal.read(index)
    return set(entry.files) if entry else set()
