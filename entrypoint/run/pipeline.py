"""Media to records: decoding, detection and writing side by side, batches by shape across the whole stream."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import takewhile

import numpy as np
from numpy.typing import NDArray

from entrypoint.detect.detector import Detector
from entrypoint.detect.letterbox import Letterbox
from entrypoint.host.device import OUT_OF_MEMORY_ERRORS, is_out_of_memory
from entrypoint.results.formats.base import AnnotatedFrame
from entrypoint.results.results import Results
from entrypoint.results.timings import Timings
from entrypoint.run.batching import BackgroundCalls, ShapeBuckets, map_ahead, share_out
from entrypoint.run.deadline import Deadline
from entrypoint.sources.decode import read_ahead, read_image
from entrypoint.sources.scan import Medium
from entrypoint.values import OUT_OF_MEMORY, Failure, InputState, Record, ResultError

_AHEAD_PER_THREAD = 8
_READ_AHEAD = 4  # files a lane
_RECORD_BYTES = 1 << 12  # about what a waiting record takes


@dataclass(frozen=True, slots=True)
class _Ready:
    """An image on its way to a detector: `image` HWC uint8 BGR upright, `pixels` the same letterboxed."""

    medium: Medium
    image: NDArray[np.uint8]
    pixels: NDArray[np.uint8]
    letterbox: Letterbox
    state: InputState | None

    @property
    def weight(self) -> int:
        """Bytes of pixels."""
        return self.image.nbytes + self.pixels.nbytes


@dataclass(frozen=True, slots=True)
class _Seen:
    """An image behind a detector, with the predictions for it."""

    image: NDArray[np.uint8]
    letterbox: Letterbox
    predictions: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Answer:
    """What is to be written about a medium."""

    medium: Medium
    outcome: _Seen | Failure
    state: InputState | None
    alone: bool = False

    @property
    def weight(self) -> int:
        """Bytes of pixels and predictions, and some for the record."""
        if isinstance(self.outcome, Failure):
            return _RECORD_BYTES
        return _RECORD_BYTES + self.outcome.image.nbytes + self.outcome.predictions.nbytes


class Pipeline:
    """Looks at media and leaves a record and the asked-for files of each."""

    def __init__(
        self,
        lanes: Sequence[Detector],
        results: Results,
        names: tuple[str, ...],
        *,
        batch_size: int,
        threads: int,
        waiting_bytes: int,
        deadline: Deadline,
        timings: Timings,
    ) -> None:
        """As many batches are under way at once as there are `lanes`; a detector may serve several of them.

        On a CPU, in batches of one, a lane's thread does all there is to do for an image, and no other is held. Else
        `threads` decode, and as many write; `waiting_bytes` of decoded images may wait at each of four places: for
        their turn, for company of their shape, for a lane, and to be written. Beside them, each thread holds the one
        it works on, and each lane its batch.
        """
        self._lanes, self._results, self._names = lanes, results, names
        self._batch_size, self._threads, self._waiting_bytes = batch_size, threads, waiting_bytes
        self._deadline, self._timings = deadline, timings

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

        if self._batch_size == 1 and not self._lanes[0].device.on_gpu:
            self._one_by_one(media, write)
        else:
            self._in_batches(media, write)
        for medium in crowded:
            if self._deadline.passed():
                break
            write(self._alone(medium))

    def _one_by_one(self, media: Iterable[Medium], write: Callable[[_Answer], None]) -> None:
        """Each image all the way on one thread, as many as there are lanes; the kernel reads ahead meanwhile."""

        def process(lane: Detector, medium: Medium) -> None:
            with self._deadline.step() as in_time:
                if not in_time:
                    return
                prepared = self._prepare(medium)
                if isinstance(prepared, _Ready):
                    (prepared,) = self._look(lane, [prepared])
                write(prepared)

        in_time = takewhile(lambda _: not self._deadline.passed(), media)
        share_out(process, self._lanes, _announced(in_time, len(self._lanes) * _READ_AHEAD))

    def _in_batches(self, media: Iterable[Medium], write: Callable[[_Answer], None]) -> None:
        """Batches of one shape, with threads that decode before the lanes and threads that write behind them."""
        free = self._free_lanes()

        def detect(batch: list[_Ready]) -> None:
            with self._deadline.step() as in_time:
                if not in_time:
                    return
                with _taken(free) as lane:
                    answers = self._look(lane, batch)
                for answer in answers:
                    output.submit(answer, answer.weight)

        output = BackgroundCalls(write, self._threads, self._waiting_bytes)
        lanes = BackgroundCalls(detect, len(self._lanes), self._waiting_bytes, most=len(self._lanes))
        try:
            for item in self._batches(media):
                if isinstance(item, _Answer):
                    output.submit(item, item.weight)
                else:
                    lanes.submit(item, sum(ready.weight for ready in item))
            lanes.close()
            output.close()
        except BaseException:
            lanes.abandon()
            output.abandon()
            raise

    def _free_lanes(self) -> queue.SimpleQueue[Detector]:
        free: queue.SimpleQueue[Detector] = queue.SimpleQueue()
        for lane in self._lanes:
            free.put(lane)
        return free

    def _batches(self, media: Iterable[Medium]) -> Iterator[list[_Ready] | _Answer]:
        """Batches for the detectors, and answers about what cannot be looked at; no more when time is out."""
        buckets: ShapeBuckets[_Ready] = ShapeBuckets(self._batch_size, self._waiting_bytes)
        with closing(self._prepared(media)) as stream:
            for prepared in stream:
                if self._deadline.passed():
                    return
                if isinstance(prepared, _Answer):
                    yield prepared
                elif batch := buckets.add(prepared.letterbox.shape, prepared, prepared.weight):
                    yield batch
        for batch in buckets.drain():
            if self._deadline.passed():
                return
            yield batch

    def _alone(self, medium: Medium) -> _Answer:
        prepared = self._prepare(medium)
        answer = prepared if isinstance(prepared, _Answer) else self._look(self._lanes[0], [prepared])[0]
        return replace(answer, alone=True)

    def _prepared(self, media: Iterable[Medium]) -> Generator[_Ready | _Answer, None, None]:
        ahead = self._threads * _AHEAD_PER_THREAD
        return map_ahead(self._prepare, media, self._threads, ahead, lambda item: item.weight, self._waiting_bytes)

    def _prepare(self, medium: Medium) -> _Ready | _Answer:
        with self._timings.of("prepare"):
            return self._ready(medium)

    def _ready(self, medium: Medium) -> _Ready | _Answer:
        state = input_state(medium)
        image = medium.failure or read_image(medium.path)
        if isinstance(image, Failure):
            return _Answer(medium, image, state)
        try:
            (view,) = self._lanes[0].views(image)
            return _Ready(medium, image, view.pixels, view.letterbox, state)
        except OUT_OF_MEMORY_ERRORS as error:
            return _Answer(medium, _if_out_of_memory(error, "letterbox it"), state)

    def _look(self, detector: Detector, batch: list[_Ready]) -> list[_Answer]:
        with self._timings.of("look"):
            outcomes = detector.look([ready.pixels for ready in batch])
        return [
            _Answer(
                ready.medium,
                outcome if isinstance(outcome, Failure) else _Seen(ready.image, ready.letterbox, outcome),
                ready.state,
            )
            for ready, outcome in zip(batch, outcomes, strict=True)
        ]

    def _write(self, answer: _Answer) -> Record | None:
        """Write an answer and give its record; None when there was no memory for it beside others."""
        with self._timings.of("write"):
            return self._record(answer)

    def _record(self, answer: _Answer) -> Record | None:
        file, outcome = answer.medium.file, answer.outcome
        index = self._results.index(file)
        self._results.begin(index)
        if isinstance(outcome, _Seen):
            try:
                found = self._lanes[0].select([outcome.letterbox], [outcome.predictions])
                self._results.frame(AnnotatedFrame(file, outcome.image, found))
                height, width, _ = outcome.image.shape
                record = Record(file, width, height, tuple(found.named(self._names)))
                self._results.finish(index, record, answer.state)
            except OUT_OF_MEMORY_ERRORS as error:
                outcome = _if_out_of_memory(error, "draw and write it")
            except ResultError as error:
                outcome = error.failure
            else:
                return record
        if outcome.kind == OUT_OF_MEMORY and not answer.alone:
            return None
        record = Record.failed(file, outcome)
        self._results.finish(index, record, answer.state)
        return record


def input_state(medium: Medium) -> InputState | None:
    """What tells that a medium's file is still the same; None where there is none."""
    try:
        return InputState.of(medium.path.stat())
    except OSError:
        return None


def _announced(media: Iterable[Medium], ahead: int) -> Iterator[Medium]:
    """The same media, so many of which the kernel is told to read before their turn."""
    waiting: deque[Medium] = deque()
    for medium in media:
        if not medium.failure:
            read_ahead(medium.path)
        waiting.append(medium)
        if len(waiting) > ahead:
            yield waiting.popleft()
    yield from waiting


@contextmanager
def _taken(free: queue.SimpleQueue[Detector]) -> Iterator[Detector]:
    """A lane for the time of the block."""
    lane = free.get()
    try:
        yield lane
    finally:
        free.put(lane)


def _if_out_of_memory(error: Exception, task: str) -> Failure:
    """The failure for an error that says memory is out; any other is raised."""
    if not is_out_of_memory(error):
        raise error
    return Failure(OUT_OF_MEMORY, f"no memory left to {task}")
