"""Media to records: decoding and writing on threads beside the detector, batches by shape across the whole stream."""

import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from entrypoint.batching import BackgroundCalls, ShapeBuckets, map_ahead
from entrypoint.detector import Detector
from entrypoint.letterbox import Letterbox
from entrypoint.media.decode import read_image
from entrypoint.media.scan import Medium
from entrypoint.records import Failure, Record, detection_record, failure_record
from entrypoint.recordstore import RecordStore
from entrypoint.writers.base import ImageWriter, Looked

# Bytes of decoded images that may wait at each of three places: for their turn, for company of their shape, and to be
# written. Beside them, each thread holds the one it works on.
_WAITING_BYTES = 192 << 20
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
    ) -> None:
        self._detector, self._writers, self._store, self._names = detector, writers, store, names
        self._batch_size, self._threads = batch_size, threads

    def run(self, media: Iterable[Medium], on_record: Callable[[Record], None]) -> None:
        """Process all media; `on_record` hears of each record once it is on disk. Raises OutputError."""
        lock = threading.Lock()

        def write(answer: _Answer) -> None:
            record = self._write(answer)
            with lock:
                on_record(record)

        output = BackgroundCalls(write, self._threads, _WAITING_BYTES)
        buckets: ShapeBuckets[_Ready] = ShapeBuckets(self._batch_size, _WAITING_BYTES)
        try:
            with closing(self._prepared(media)) as stream:
                for prepared in stream:
                    if isinstance(prepared, _Answer):
                        output.submit(prepared, prepared.weight)
                    elif batch := buckets.add(prepared.letterbox.shape, prepared, prepared.weight):
                        self._detect(batch, output)
            for batch in buckets.drain():
                self._detect(batch, output)
        except BaseException:
            output.abandon()
            raise
        output.close()

    def _prepared(self, media: Iterable[Medium]) -> Generator[_Ready | _Answer, None, None]:
        ahead = self._threads * _AHEAD_PER_THREAD
        return map_ahead(self._prepare, media, self._threads, ahead, lambda item: item.weight, _WAITING_BYTES)

    def _prepare(self, medium: Medium) -> _Ready | _Answer:
        image = medium.failure or read_image(medium.path)
        if isinstance(image, Failure):
            return _Answer(medium, image)
        height, width, _ = image.shape
        letterbox = self._detector.letterbox(width, height)
        return _Ready(medium, image, letterbox.apply(image), letterbox)

    def _detect(self, batch: list[_Ready], output: BackgroundCalls[_Answer]) -> None:
        outcomes = self._detector.detect([ready.pixels for ready in batch], [ready.letterbox for ready in batch])
        for ready, outcome in zip(batch, outcomes, strict=True):
            looked = outcome if isinstance(outcome, Failure) else Looked(ready.medium.file, ready.image, outcome)
            answer = _Answer(ready.medium, looked)
            output.submit(answer, answer.weight)

    def _write(self, answer: _Answer) -> Record:
        file, outcome = answer.medium.file, answer.outcome
        if isinstance(outcome, Failure):
            record = failure_record(file, outcome)
        else:
            for writer in self._writers:
                writer.write(outcome)
            height, width, _ = outcome.image.shape
            record = detection_record(file, width, height, outcome.found, self._names)
        self._store.save(record)
        return record
