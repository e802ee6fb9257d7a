"""What is measured: a network on its lanes, and media for it."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from entrypoint.detect.detector import Detector
from entrypoint.detect.loading import Loaded
from entrypoint.host import limits
from entrypoint.results.claim import claim
from entrypoint.results.results import Results
from entrypoint.results.timings import Timings
from entrypoint.run.deadline import Deadline
from entrypoint.run.pipeline import OnRecord, Pipeline
from entrypoint.settings import Settings
from entrypoint.sources.medium import Medium
from entrypoint.values import Record
from scripts.benchmark.clock import Span, timed
from scripts.benchmark.folders import results


@dataclass(frozen=True)
class Workload:
    """A network that is ready to run, and media for it."""

    loaded: Loaded
    media: Sequence[Medium]
    settings: Settings
    scratch: Path

    def job(
        self,
        *,
        nosave: bool = False,
        threads: int | None = None,
        lanes: tuple[Detector, ...] = (),
        on_record: OnRecord | None = None,
    ) -> Span:
        """The whole job on all media, less its start: an image's share. `on_record` hears of each medium's record."""
        settings = replace(self.settings, nosave=nosave)
        names = self.loaded.names
        with (
            results(self.scratch) as project,
            closing(claim(project, "exp", {})) as folder,
            timed() as span,
        ):
            written = Results(folder, settings, names, [medium.file for medium in self.media])
            pipeline = Pipeline(
                lanes or self.loaded.lanes,
                written,
                names,
                batch_size=self.loaded.batch_size,
                threads=threads or limits.threads(),
                waiting_bytes=self.loaded.waiting_bytes,
                deadline=Deadline(None, 0, 0),
                timings=Timings(),
            )
            pipeline.run(self.media, on_record or _expect_success)
            written.write_run({}, lambda index: None)
        return span.each(len(self.media))


def _expect_success(_: int, record: Record) -> None:
    if record.failure is not None:
        raise RuntimeError(f"{record.file}: {record.failure}")
