"""Records that come into a run folder from another one, where the detections of videos lie in files."""

from collections.abc import Callable
from dataclasses import replace

from entrypoint.errors import OutputError
from entrypoint.results.formats.frames import Frames
from entrypoint.results.framerecords import StoredDetections
from entrypoint.results.tree import Tree
from entrypoint.values import Failure, Record


def settled(record: Record, place: Callable[[str], str], tree: Tree) -> Record:
    """The same, with the detections of a video where they lie now; a failed one, where they are lost, or some of them.

    `place`: where in the run folder `tree` a result of the record's input is that has a given path.
    """
    found = record.detections
    if not isinstance(found, StoredDetections):
        return record
    return whole(replace(record, detections=replace(found, path=place(Frames.path(record.file)), opener=tree.open)))


def whole(record: Record) -> Record:
    """The same; a failed one, where not as many detections of a video can be read as its run has counted."""
    found = record.detections
    if not isinstance(found, StoredDetections) or _is_whole(found):
        return record
    failure = Failure("damaged", "what its part has left of its frames cannot be read")
    return Record.failed(record.file, failure, record.sha256)


def _is_whole(found: StoredDetections) -> bool:
    try:
        return sum(1 for _ in found) == found.count
    except OutputError:
        return False
