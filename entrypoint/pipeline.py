"""Media to records: decoding and writing on threads beside the detector, batches by shape across the whole stream."""

import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from entrypoint.batching import BackgroundCalls, ShapeBuckets, map_ahead
from entrypoint.detector import Detector
from entrypoint.device import OUT_OF_MEMORY_ERRORS, is_out_of_memory
from entrypoint.letterbox import Letterbox
from entrypoint.media.decode import read_image
from entrypoint.media.scan import Medium
from entrypoint.records import OUT_OF_MEMORY, Failure, Record, detection_record, failure_record
from entrypoint.recordstore import RecordStore
from entrypoint.writers.base import ImageWriter, Looked

_AHEAD_PER_THREAD = 8
_RECORD_BYTES = 1 << 12  # about what a waiting record takes


@dataclass(frozen=True, slots=True)
class _Ready:
    """An image on its way to the detector: `image` HWC uint8 BGR upright, `pixels` the same letterboxed."""

    medium: Medium
    image: NDArray[np.uint8]
    pixels: NDArray[np.uint8]
    letterbox: Letterbox

    @property
    def weight(self) -> int:
        """Bytes of pixels."""
        return self.image.nbytes + self.pixels.nbytes


@dataclass(frozen=True, slots=True)
class _Answer:
    """What is to be written about a medium."""

    medium: Medium
    outcome: Looked | Failure
    alone: bool = False

    @property
    def weight(self) -> int:
        """Bytes of pixels, and some for the record."""
        return _RECORD_BYTES + (self.outcome.image.nbytes if isinstance(self.outcome, Looked) else 0)


class Pipeline:
    """Looks at media and leaves a record and the asked-for files of each."""

    def __init__(
        self,
        detector: Detector,
        writers: Sequence[ImageWriter],
        store: RecordStore,
        names: tuple[str, ...],
        *,
        batch_size: int,
        threads: int,
        waiting_bytes: int,
        out_of_time: Callable[[], bool] = lambda: False,
    ) -> None:
        """`waiting_bytes` of decoded images may wait at each of three places: for their turn, for company of their
        shape, and to be written. Beside them, each thread holds the one it works on.
        """
        self._detector, self._writers, self._store, self._names = detector, writers, store, names
        self._batch_size, self._threads, self._waiting_bytes = batch_size, threads, waiting_bytes
        self._out_of_time = out_of_time

    def run(self, media: Iterable[Medium], on_record: Callable[[Record], None]) -> None:
        """Process all media, or as many as there is time for; `on_record` hears of each record once it is on disk.

        One for which memory runs out is tried again when nothing else is under way. Raises OutputError.
        """
        crowded: list[Medium] = []
        lock = threading.Lock()

        def write(answer: _Answer) -> None:
            record = self._write(answer)
            with lock:
                if record is None:
                    crowded.append(answer.medium)
                else:
                    on_record(record)

        self._stream(media, write)
        for medium in crowded:
            if self._out_of_time():
                break
            write(self._alone(medium))

    def _stream(self, media: Iterable[Medium], write: Callable[[_Answer], None]) -> None:
        output = BackgroundCalls(write, self._threads, self._waiting_bytes)
        buckets: ShapeBuckets[_Ready] = ShapeBuckets(self._batch_size, self._waiting_bytes)
        try:
            with closing(self._prepared(media)) as stream:
                for prepared in stream:
                    if self._out_of_time():
                        break
                    if isinstance(prepared, _Answer):
                        output.submit(prepared, prepared.weight)
                    elif batch := buckets.add(prepared.letterbox.shape, prepared, prepared.weight):
                        self._detect(batch, output)
            for batch in buckets.drain():
                if self._out_of_time():
                    break
                self._detect(batch, output)
        except BaseException:
            output.abandon()
            raise
        output.close()

    def _alone(self, medium: Medium) -> _Answer:
        prepared = self._prepare(medium)
        answer = prepared if isinstance(prepared, _Answer) else next(self._detected([prepared]))
        return replace(answer, alone=True)

    def _prepared(self, media: Iterable[Medium]) -> Generator[_Ready | _Answer, None, None]:
        ahead = self._threads * _AHEAD_PER_THREAD
        return map_ahead(self._prepare, media, self._threads, ahead, lambda item: item.weight, self._waiting_bytes)

    def _prepare(self, medium: Medium) -> _Ready | _Answer:
        image = medium.failure or read_image(medium.path)
        if isinstance(image, Failure):
            return _Answer(medium, image)
        height, width, _ = image.shape
        letterbox = self._detector.letterbox(width, height)
        try:
            return _Ready(medium, image, letterbox.apply(image), letterbox)
        except OUT_OF_MEMORY_ERRORS as error:
            return _Answer(medium, _if_out_of_memory(error, "letterbox it"))

    def _detect(self, batch: list[_Ready], output: BackgroundCalls[_Answer]) -> None:
        for answer in self._detected(batch):
            output.submit(answer, answer.weight)

    def _detected(self, batch: list[_Ready]) -> Iterator[_Answer]:
        outcomes = self._detector.detect([ready.pixels for ready in batch], [ready.letterbox for ready in batch])
        for ready, outcome in zip(batch, outcomes, strict=True):
            looked = outcome if isinstance(outcome, Failure) else Looked(ready.medium.file, ready.image, outcome)
            yield _Answer(ready.medium, looked)

    def _write(self, answer: _Answer) -> Record | None:
        """Write an answer and give its record; None when there was no memory for it beside others."""
        file, outcome = answer.medium.file, answer.outcome
        if isinstance(outcome, Looked):
            try:
                for writer in self._writers:
                    writer.write(outcome)
            except OUT_OF_MEMORY_ERRORS as error:
                outcome = _if_out_of_memory(error, "draw and write it")
        if isinstance(outcome, Looked):
            height, width, _ = outcome.image.shape
            record = detection_record(file, width, height, outcome.found, self._names)
        elif outcome.kind == OUT_OF_MEMORY and not answer.alone:
            return None
        else:
            record = failure_record(file, outcome)
        self._store.save(record)
        return record


def _if_out_of_memory(error: Exception, task: str) -> Failure:
    """The failure for an error that says memory is out; any other is raised."""
    if not is_out_of_memory(error):
        raise error
    return Failure(OUT_OF_MEMORY, f"no memory left to {task}")
