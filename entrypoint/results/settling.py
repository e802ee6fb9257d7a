"""Records that come into a run folder from another one, where the detections of videos lie in files."""

from collections.abc import Callable
from dataclasses import replace

from entrypoint.results.formats.frames import Frames
from entrypoint.results.framerecords import StoredDetections
from entrypoint.results.tree import Tree
from entrypoint.values import Failure, Record


def settled(record: Record, place: Callable[[str], str], tree: Tree) -> Record:
    """The same, with the detections of a video where they lie now; a failed one, where they are lost.

    `place`: where in the run folder `tree` a result of the record's input is that has a given path.
    """
    if not isinstance(record.detections, StoredDetections):
        return record
    path = place(Frames.path(record.file))
    if not tree.exists(path):
        failure = Failure("damaged", "what its part has left of its frames cannot be read")
        return Record.failed(record.file, failure, record.sha256)
    return replace(record, detections=replace(record.detections, path=path, opener=tree.open))
