"""What a run writes: one small class a format, in the two tuples here; the job asks nothing else.

A per-image writer runs on a thread as soon as an image's detections are known. A per-run writer is given the records,
sorted by file, when all are on disk.
"""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import Any

from entrypoint.results.formats.base import ImageWriter, RunWriter
from entrypoint.results.formats.coco import CocoWriter
from entrypoint.results.formats.crops import CropWriter
from entrypoint.results.formats.images import AnnotatedWriter
from entrypoint.results.formats.predictions import CsvWriter, PredictionsWriter
from entrypoint.results.formats.txt import TxtWriter
from entrypoint.results.runfolder import RunFolder
from entrypoint.settings import Settings
from entrypoint.values import Record

# The last one draws on the image that all of them share.
IMAGE_WRITERS: tuple[type[ImageWriter], ...] = (TxtWriter, CropWriter, AnnotatedWriter)
RUN_WRITERS: tuple[type[RunWriter], ...] = (PredictionsWriter, CocoWriter, CsvWriter)


def image_writers(settings: Settings, folder: RunFolder, names: tuple[str, ...]) -> Sequence[ImageWriter]:
    """The per-image writers these settings ask for."""
    return [kind(settings, folder, names) for kind in IMAGE_WRITERS if kind.wanted(settings)]


def write_run(
    settings: Settings, folder: RunFolder, names: tuple[str, ...], records: Iterable[Record], info: dict[str, Any]
) -> None:
    """Write the per-run files these settings ask for, in one pass over all records, sorted by file.

    Raises OutputError.
    """
    writers = [kind(settings, folder, names) for kind in RUN_WRITERS if kind.wanted(settings)]
    with ExitStack() as files:
        takers = [files.enter_context(writer.taking(info)) for writer in writers]
        for record in records:
            for take in takers:
                take(record)
