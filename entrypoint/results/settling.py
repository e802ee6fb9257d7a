"""Records that come into a run folder from another one, where the detections of videos lie in files."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from entrypoint.errors import OutputError
from entrypoint.results.formats.frames import Frames
from entrypoint.results.framerecords import StoredDetections
from entrypoint.results.tree import Tree
from entrypoint.values import Detection, Failure, Record


def settled(record: Record, place: Callable[[str], str], tree: Tree, names: Sequence[str]) -> Record:
    """The same, with the detections of a video where they lie now; a failed one, where they are lost, or some of them.

    `place`: where in the run folder `tree` a result of the record's input is that has a given path. `names`: the
    network's classes by id.
    """
    found = record.detections
    if not isinstance(found, StoredDetections):
        return record
    stored = replace(found, path=place(Frames.path(record.file)), opener=tree.open)
    return whole(replace(record, detections=stored), names)


def whole(record: Record, names: Sequence[str]) -> Record:
    """The same; a failed one, where not as many detections of a video can be read as its run has counted.

    Those of a class that is not one of `names`, the network's, do not count.
    """
    found = record.detections
    if not isinstance(found, StoredDetections) or _is_whole(found, names):
        return record
    failure = Failure("damaged", "what its part has left of its frames cannot be read")
    return Record.failed(record.file, failure, record.sha256)


def unnamed(record: Record, names: Sequence[str]) -> Detection | None:
    """A detection whose class is not one of the network's; those of a video are seen when they are read back."""
    if isinstance(record.detections, StoredDetections):
        return None
    return next((one for one in record.detections or () if not _is_named(one, names)), None)


def _is_named(detection: Detection, names: Sequence[str]) -> bool:
    """Whether the class of a detection is one of the network's, by its number and its name."""
    return detection.class_id < len(names) and names[detection.class_id] == detection.name


def _is_whole(found: StoredDetections, names: Sequence[str]) -> bool:
    try:
        return sum(_is_named(one, names) for one in found) == found.count
    except OutputError:
        return False
