"""A medium's frames become one record, whatever the order in which they are seen, and none is held for long."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from entrypoint.detect.detector import Detector
from entrypoint.detect.letterbox import Letterbox
from entrypoint.detect.views import View
from entrypoint.inputstate import InputState
from entrypoint.results.formats.base import AnnotatedFrame
from entrypoint.results.results import Results
from entrypoint.results.timings import Timings
from entrypoint.run.deadline import Deadline
from entrypoint.run.pipeline import Pipeline
from entrypoint.sources.medium import Frame, Medium
from entrypoint.values import Detections, Failure, Record, ResultError

SIDE = 8


class Numbers(Medium):
    """So many frames, each with its own number in all its pixels; some media end in a failure."""

    def __init__(self, index: int, count: int, fault: Failure | BaseException | None = None) -> None:
        super().__init__(index, f"{index:03}")
        self.count, self.fault = count, fault
        self.read, self.done, self.most = 0, 0, 0

    def state(self) -> InputState | None:
        return InputState(self.index, 0, 0, 0)

    def frames(self) -> Iterator[Frame | Failure]:
        self.seen = self.state()
        for number in range(self.count):
            self.read += 1
            self.most = max(self.most, self.read - self.done)
            yield Frame(number, float(number), np.full((SIDE, SIDE, 3), number, np.uint8))
        if isinstance(self.fault, Failure):
            yield self.fault
        elif self.fault:
            fault, self.fault = self.fault, None
            raise fault

    def read_ahead(self) -> None:
        pass


class Halves:
    """A detector that looks at the upper and at the lower half of a frame, and finds a box for each in its number."""

    imgsz = (SIDE, SIDE)

    class device:
        on_gpu = False

    def views(self, image: np.ndarray) -> tuple[View, ...]:
        whole = Letterbox.fit(SIDE, SIDE, (SIDE, SIDE), 8)
        return View(whole, image[: SIDE // 2]), View(whole, image[SIDE // 2 :, : SIDE // 2] + 100)

    def look(self, images: list[np.ndarray]) -> list[np.ndarray | Failure]:
        assert len({image.shape for image in images}) == 1
        return [np.array([[0, 0, 1, 1, image[0, 0, 0] / 256, 0]], np.float32) for image in images]

    def select(self, letterboxes: list[Letterbox], candidates: list[np.ndarray]) -> Detections:
        assert len(letterboxes) == len(candidates) == 2
        rows = np.concatenate(candidates)
        return Detections.from_rows(rows, rows[:, :4])


class Kept(Results):
    """Keeps what it is given."""

    def __init__(self, media: list[Numbers], refuses: tuple[int, int] | None = None) -> None:
        self.media, self.refuses = media, refuses
        self.begun: list[int] = []
        self.records: dict[int, Record] = {}
        self.lock = threading.Lock()
        self.busy = [threading.Lock() for _ in media]

    def begin(self, index: int) -> None:
        with self.lock:
            self.begun.append(index)

    def frame(self, shown: AnnotatedFrame) -> None:
        assert (shown.image == shown.index).all()
        busy = self.busy[int(shown.file)]
        assert busy.acquire(blocking=False)  # one thread at a time writes for a medium
        time.sleep(0.0005)
        busy.release()
        if (int(shown.file), shown.index) == self.refuses:
            raise ResultError(Failure("unwritable", "its name is too long"))
        with self.lock:
            self.media[int(shown.file)].done += 1

    def finish(self, index: int, record: Record, state: InputState | None) -> None:
        assert state == InputState(index, 0, 0, 0)
        with self.lock:
            assert index in self.begun and index not in self.records
            self.records[index] = record


def look(media: list[Numbers], batch_size: int, results: Kept, lanes: int = 3) -> dict[int, Record]:
    heard: dict[int, Record] = {}
    pipeline = Pipeline(
        [cast("Detector", Halves())] * lanes,
        results,
        ("one",),
        batch_size=batch_size,
        threads=3,
        waiting_bytes=2000,
        deadline=Deadline(None, 0, 0),
        timings=Timings(),
    )
    pipeline.run(media, heard.__setitem__)
    assert heard == results.records
    return heard


@pytest.mark.parametrize("batch_size", [1, 5])
def test_frames_and_their_views_come_together_in_order(batch_size: int) -> None:
    media = [Numbers(index, count) for index, count in enumerate([1, 60, 0, 2, 90, 1, 1, 30])]
    found = look(media, batch_size, Kept(media))
    assert sorted(found) == list(range(8))
    for medium in media:
        record = found[medium.index]
        if not medium.count:
            assert record.failure == Failure("empty", "without a single frame")
            continue
        assert (record.width, record.height) == (SIDE, SIDE) and record.detections is not None
        seen = [(one.frame, one.time, round(one.confidence * 256)) for one in record.detections]
        views = (0, 100)
        assert seen == [(n, float(n), n + view) for n in range(medium.count) for view in views]


@pytest.mark.parametrize("batch_size", [1, 5])
def test_frames_are_read_little_ahead(batch_size: int) -> None:
    media = [Numbers(0, 250)]
    look(media, batch_size, Kept(media))
    # A frame has 192 bytes and its views 144: what waits at three places, what threads hold, and the one read ahead.
    assert media[0].most <= 3 * 2000 / 192 + 3 * 3 + 2 * batch_size


@pytest.mark.parametrize("batch_size", [1, 5])
def test_a_medium_that_fails_in_its_middle_has_failed(batch_size: int) -> None:
    media = [Numbers(index, 20, Failure("damaged", "cut") if index == 1 else None) for index in range(3)]
    found = look(media, batch_size, Kept(media))
    assert [record.failure for record in found.values() if record.file == "001"] == [Failure("damaged", "cut")]
    assert sum(record.failure is None for record in found.values()) == 2


@pytest.mark.parametrize("batch_size", [1, 5])
def test_one_frame_that_cannot_be_written_fails_its_medium_alone(batch_size: int) -> None:
    media = [Numbers(index, 20) for index in range(3)]
    found = look(media, batch_size, Kept(media, refuses=(1, 7)))
    assert {index: record.failure is None for index, record in found.items()} == {0: True, 1: False, 2: True}
    assert media[1].read < 20 or batch_size > 1  # the rest is not even read


@pytest.mark.parametrize("batch_size", [1, 5])
def test_a_medium_for_which_memory_runs_out_is_tried_alone(batch_size: int) -> None:
    media = [Numbers(index, 4, MemoryError() if index == 1 else None) for index in range(3)]
    results = Kept(media)
    found = look(media, batch_size, results)
    assert all(record.failure is None for record in found.values())
    assert sorted(results.begun) == [0, 1, 1, 2]


def test_a_lane_that_is_free_takes_the_next_frame_of_a_medium_that_another_has_open(tmp_path: Path) -> None:
    together = threading.Barrier(2, timeout=20)

    class Meeting(Halves):
        def look(self, images: list[np.ndarray]) -> list[np.ndarray | Failure]:
            together.wait()
            return super().look(images)

    media = [Numbers(0, 4)]
    results = Kept(media)
    pipeline = Pipeline(
        [cast("Detector", Meeting()), cast("Detector", Meeting())],
        results,
        ("one",),
        batch_size=1,
        threads=1,
        waiting_bytes=2000,
        deadline=Deadline(None, 0, 0),
        timings=Timings(),
    )
    pipeline.run(media, lambda *_: None)
    assert results.records[0].failure is None
