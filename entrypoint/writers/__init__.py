"""What a run writes: one small class a format. `REGISTRY` is the list; the job asks nothing else.

A per-image writer runs on a thread as soon as an image's detections are known. A per-run writer reads the records
once, sorted by file, when all are on disk.
"""

from collections.abc import Sequence

from entrypoint.runfolder import RunFolder
from entrypoint.settings import Settings
from entrypoint.writers.base import ImageWriter, RunWriter
from entrypoint.writers.coco import CocoWriter
from entrypoint.writers.crops import CropWriter
from entrypoint.writers.images import AnnotatedWriter
from entrypoint.writers.predictions import CsvWriter, PredictionsWriter
from entrypoint.writers.txt import TxtWriter

# The last one draws on the image that all of them share.
IMAGE_WRITERS: tuple[type[ImageWriter], ...] = (TxtWriter, CropWriter, AnnotatedWriter)
RUN_WRITERS: tuple[type[RunWriter], ...] = (PredictionsWriter, CocoWriter, CsvWriter)


def image_writers(settings: Settings, folder: RunFolder, names: tuple[str, ...]) -> Sequence[ImageWriter]:
    """The per-image writers these settings ask for."""
    return [kind(settings, folder, names) for kind in IMAGE_WRITERS if kind.wanted(settings)]


def run_writers(settings: Settings, folder: RunFolder, names: tuple[str, ...]) -> Sequence[RunWriter]:
    """The per-run writers these settings ask for."""
    return [kind(settings, folder, names) for kind in RUN_WRITERS if kind.wanted(settings)]
