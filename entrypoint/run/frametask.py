"""One frame on its way through the network, as the views in which it is looked at."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from entrypoint.detect.views import View
from entrypoint.run.inspection import Inspection
from entrypoint.sources.medium import Frame
from entrypoint.values import Failure

_RECORD_BYTES = 1 << 12  # about what a waiting record takes

Outcome = NDArray[np.float32] | Failure


class FrameTask:
    """A frame, until all its views have been seen."""

    def __init__(self, inspection: Inspection, frame: Frame, views: Sequence[View]) -> None:
        self.inspection, self.frame = inspection, frame
        self.letterboxes = [view.letterbox for view in views]
        self._views = list(views)
        self._outcomes: list[Outcome | None] = [None] * len(views)
        self._left, self._lock = len(views), threading.Lock()

    @property
    def weight(self) -> int:
        """Bytes that wait with it when all its views have been seen: its image, what was found, some for the record."""
        found = sum(outcome.nbytes for outcome in self._outcomes if isinstance(outcome, np.ndarray))
        return _RECORD_BYTES + self.frame.image.nbytes + found

    def views(self) -> Iterator["ViewTask"]:
        """Its views, once: their pixels are not held here any longer."""
        share = self.frame.image.nbytes // len(self._views)
        for number in range(len(self._views)):
            yield ViewTask(self, number, self._views.pop(0).pixels, share)

    def seen(self, number: int, outcome: Outcome) -> bool:
        """A view has been seen; gives whether it was the last one."""
        with self._lock:
            self._outcomes[number] = outcome
            self._left -= 1
            return not self._left

    def candidates(self) -> list[NDArray[np.float32]] | Failure:
        """What the network gave for each view, in their order, or a failure of one of them."""
        found = []
        for outcome in self._outcomes:
            if isinstance(outcome, Failure):
                return outcome
            if outcome is not None:
                found.append(outcome)
        return found


@dataclass(frozen=True, slots=True)
class ViewTask:
    """One of the views of a frame: `pixels` HWC uint8 BGR as the network is to see them."""

    task: FrameTask
    number: int
    pixels: NDArray[np.uint8]
    share: int
    """Bytes of the frame's image that are counted to this view."""

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width): what views must share to go into one batch."""
        return self.pixels.shape[0], self.pixels.shape[1]

    @property
    def weight(self) -> int:
        """Bytes of pixels that wait with it."""
        return self.pixels.nbytes + self.share

    def seen(self, outcome: Outcome) -> bool:
        """Hand on what the network gave; gives whether all views of the frame have been seen."""
        return self.task.seen(self.number, outcome)
