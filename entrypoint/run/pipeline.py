"""Media to records: decoding, detection and writing side by side, batches by shape across the whole stream."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import takewhile

from entrypoint.detect.detector import Detector
from entrypoint.results.results import Results
from entrypoint.results.timings import Timings
from entrypoint.run.batching import BackgroundCalls, ShapeBuckets, run_on_lanes
from entrypoint.run.deadline import Deadline
from entrypoint.run.frametask import FrameTask, ViewTask
from entrypoint.run.inspection import Inspection
from entrypoint.run.videoinspection import VideoInspection
from entrypoint.sources.faults import failure_of
from entrypoint.sources.medium import Medium
from entrypoint.sources.moving import VideoMedium
from entrypoint.values import Failure, Record

_READ_AHEAD = 4  # files a thread that decodes

OnRecord = Callable[[int, Record], None]


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

        On a CPU, in batches of one, a lane's thread does all there is to do for a frame, and no other is held. Else
        `threads` decode, and as many write; `waiting_bytes` of decoded frames may wait at each of three places: for
        company of their shape, for a lane, and to be written. Beside them, each thread holds the frame it works on and
        each lane its batch, and of a medium with more frames than one the next is held.
        """
        self._lanes, self._results, self._names = lanes, results, names
        self._batch_size, self._threads, self._waiting_bytes = batch_size, threads, waiting_bytes
        self._deadline, self._timings = deadline, timings

    def run(self, media: Iterable[Medium], on_record: OnRecord) -> None:
        """Process all media, or as many as there is time for.

        `on_record` hears of each medium's index and its record, one after the other, once that is on disk. A medium
        for which memory runs out is tried again when nothing else is under way. Raises OutputError.
        """
        crowded: list[Medium] = []
        lock = threading.Lock()

        def ended(inspection: Inspection, record: Record | None) -> None:
            with lock:
                if record is None:
                    crowded.append(inspection.medium)
                else:
                    on_record(inspection.medium.index, record)

        def inspect(medium: Medium, *, alone: bool = False) -> Inspection:
            about = self._results, self._names, self._deadline, ended
            if isinstance(medium, VideoMedium):
                return VideoInspection(medium, *about, alone=alone)
            return Inspection(medium, *about, alone=alone)

        in_time = takewhile(lambda _: not self._deadline.passed(), media)
        if self._batch_size == 1 and not self._lanes[0].device.on_gpu:
            self._one_by_one(self._announced(map(inspect, in_time), len(self._lanes) * _READ_AHEAD))
        else:
            self._in_batches(self._announced(map(inspect, in_time), self._threads * _READ_AHEAD))
        for medium in crowded:
            inspection = inspect(medium, alone=True)
            while inspection.has_more and self._take_one(self._lanes[0], inspection, lambda _: None):
                pass

    def _announced(self, media: Iterable[Inspection], ahead: int) -> Iterator[Inspection]:
        """Give the same media, `ahead` of which are read ahead of their turn."""
        waiting: deque[Inspection] = deque()
        for inspection in media:
            if inspection.read_ahead():
                waiting.append(inspection)
            if len(waiting) > ahead:
                yield waiting.popleft()
        yield from waiting

    def _one_by_one(self, media: Iterable[Inspection]) -> None:
        """Each frame all the way on one thread, as many as there are lanes; the kernel reads ahead meanwhile."""

        def process(lane: Detector, inspection: Inspection, again: Callable[[Inspection], None]) -> None:
            self._take_one(lane, inspection, again)

        run_on_lanes(process, self._lanes, media)

    def _take_one(self, lane: Detector, inspection: Inspection, again: Callable[[Inspection], None]) -> bool:
        """Look at the next frame of a medium; False when there is no time for it."""
        with self._deadline.step() as in_time:
            if in_time and (task := self._prepare(inspection, again)):
                for view in task.views():
                    self._look(lane, [view])
                self._write(task)
            return in_time

    def _in_batches(self, media: Iterable[Inspection]) -> None:
        """Batches of one shape, with threads that decode before the lanes and threads that write behind them."""
        free = self._free_lanes()
        buckets: ShapeBuckets[ViewTask] = ShapeBuckets(self._batch_size, self._waiting_bytes)
        gate = threading.Lock()

        def prepare(_: int, inspection: Inspection, again: Callable[[Inspection], None]) -> None:
            if self._deadline.passed() or not (task := self._prepare(inspection, again)):
                return
            for view in task.views():
                with gate:  # while one thread waits for a lane, the others wait here, each with what it has decoded
                    submit(buckets.add(view.shape, view, view.weight))

        def submit(batch: list[ViewTask] | None) -> None:
            if batch and not self._deadline.passed():
                lanes.submit(batch, sum(view.weight for view in batch))

        def detect(batch: list[ViewTask]) -> None:
            with self._deadline.step() as in_time:
                if not in_time:
                    return
                with _taken(free) as lane:
                    seen = self._look(lane, batch)
                for task in seen:
                    output.submit(task, task.weight)

        def write(task: FrameTask) -> None:
            self._write(task)

        output = BackgroundCalls(write, self._threads, self._waiting_bytes)
        lanes = BackgroundCalls(detect, len(self._lanes), self._waiting_bytes, most=len(self._lanes))
        try:
            run_on_lanes(prepare, range(self._threads), media)
            for batch in buckets.drain():
                submit(batch)
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

    def _prepare(self, inspection: Inspection, again: Callable[[Inspection], None]) -> FrameTask | None:
        """The next frame of a medium with its views; None when there is nothing to look at.

        A medium that has more frames is given to `again` as soon as this one is read.
        """
        with self._timings.of("prepare"):
            frame = inspection.next_frame()
            if inspection.has_more:
                again(inspection)
            if frame is None:
                return None
            try:
                return FrameTask(inspection, frame, self._lanes[0].views(frame.image))
            except Exception as error:  # noqa: BLE001 - whatever a library raises about one frame
                inspection.failed(failure_of(error, inspection.medium.file, "letterbox it"))
                return None

    def _look(self, lane: Detector, batch: Sequence[ViewTask]) -> list[FrameTask]:
        """Look at views of one shape; gives the frames of which all views have now been seen."""
        with self._timings.of("look"):
            outcomes = lane.look([view.pixels for view in batch])
        return [view.task for view, outcome in zip(batch, outcomes, strict=True) if view.seen(outcome)]

    def _write(self, task: FrameTask) -> None:
        """Write what was found in a frame. Raises OutputError."""
        candidates = task.candidates()
        if isinstance(candidates, Failure):
            return task.inspection.failed(candidates)
        frame, inspection = task.frame, task.inspection
        try:
            with self._timings.of("select"):
                found = self._lanes[0].select(task.letterboxes, candidates)
            with inspection.writing, self._timings.of("write"):
                inspection.write(frame, found)
        except Exception as error:  # noqa: BLE001 - whatever a library raises about one frame
            return inspection.failed(failure_of(error, inspection.medium.file, "draw and write it"))
        with self._timings.of("write"):
            return inspection.written()


@contextmanager
def _taken(free: queue.SimpleQueue[Detector]) -> Iterator[Detector]:
    """A lane for the time of the block."""
    lane = free.get()
    try:
        yield lane
    finally:
        free.put(lane)
