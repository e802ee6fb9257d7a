"""What is measured: a network on its lanes, and images in the number asked for."""

import shutil
import tempfile
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from entrypoint import limits, memory
from entrypoint.deadline import Deadline
from entrypoint.detector import Detector
from entrypoint.loading import Loaded
from entrypoint.media.scan import Medium
from entrypoint.pipeline import Pipeline
from entrypoint.records import Record
from entrypoint.recordstore import RecordStore
from entrypoint.runfolder import RunFolder
from entrypoint.settings import Settings
from entrypoint.timings import Timings
from entrypoint.writers import image_writers, run_writers
from scripts.benchmark.clock import Span, timed


@dataclass(frozen=True)
class Workload:
    """A network that is ready to run, and media for it."""

    loaded: Loaded
    media: list[Medium]
    settings: Settings

    def job(self, *, nosave: bool = False, threads: int | None = None, lanes: tuple[Detector, ...] = ()) -> Span:
        """The whole job on all media, less its start: an image's share."""
        settings = replace(self.settings, nosave=nosave)
        project = Path(tempfile.mkdtemp(prefix="yolo-bac-bench-"))
        names = self.loaded.names
        try:
            with closing(RunFolder.claim(project, "exp", {})) as folder, timed() as span:
                store = RecordStore(folder)
                pipeline = Pipeline(
                    lanes or self.loaded.lanes,
                    image_writers(settings, folder, names),
                    store,
                    names,
                    batch_size=self.loaded.batch_size,
                    threads=threads or limits.threads(),
                    waiting_bytes=memory.waiting_bytes(),
                    deadline=Deadline(None, 0, 0),
                    timings=Timings(),
                )
                pipeline.run(self.media, _expect_success)
                for writer in run_writers(settings, folder, names):
                    writer.write(map(store.of, self.media), {})
        finally:
            shutil.rmtree(project)
        return span.each(len(self.media))


def _expect_success(record: Record) -> None:
    if record["failure"] is not None:
        raise RuntimeError(f"{record['file']}: {record['failure']}")


def copies(folder: Path, images: list[Path], count: int) -> Path:
    """A folder of so many images, links to the given ones in turn."""
    folder.mkdir()
    for number in range(count):
        image = images[number % len(images)]
        (folder / f"{number:06}-{image.name}").symlink_to(image.resolve())
    return folder
