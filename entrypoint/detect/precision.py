"""Whether half precision can be trusted on a device: on some GPUs it gives NaN, or no detections, and no error."""

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from entrypoint.detect.detector import Detector
from entrypoint.sources.medium import Medium, first_image
from entrypoint.values import Detections, Failure

_IMAGES, _TRIED = 4, 16
# A box near the threshold may fall on either side of it, and NMS may then keep its neighbour.
_MARGIN = 0.1
_SAME_IOU = 0.5
_MOST_LOST = 0.05


class Tally:
    """How many detections that one way is sure of another one loses."""

    def __init__(self, conf_thres: float) -> None:
        self._least = conf_thres + _MARGIN
        self._sure = self._lost = 0

    def add(self, theirs: Detections, ours: Detections) -> None:
        """What was found in one image."""
        certain = np.flatnonzero(theirs.confidence > self._least).tolist()
        self._sure += len(certain)
        self._lost += sum(not _is_among(theirs, row, ours) for row in certain)

    def fault(self, what: str) -> str | None:
        """That `what` loses too many; None when it is next to nothing."""
        if self._lost <= _MOST_LOST * self._sure:
            return None
        return f"{what} loses {self._lost} of {self._sure} detections that are found for sure without it"


class Trial:
    """The first images of a run, and what full precision finds in them, to hold half precision to."""

    def __init__(self, full: Detector, media: Sequence[Medium]) -> None:
        """Detectors are to have a moderate threshold, whatever the job's: too few boxes would tell nothing.

        Raises what says that memory is out, as `fault` does.
        """
        self._conf_thres = full.conf_thres
        self._expected = [(image, full.look_closely(image)) for image in _first_images(media)]

    def fault(self, half: Detector) -> str | None:
        """What half precision loses of what full precision finds; None when that is next to nothing."""
        tally = Tally(self._conf_thres)
        for image, theirs in self._expected:
            ours = half.look_closely(image)
            if ours is None:
                return "half precision overflows"
            if theirs is not None:  # else full precision overflows, too
                tally.add(theirs, ours)
        return tally.fault("half precision")


def _first_images(media: Sequence[Medium]) -> Iterator[NDArray[np.uint8]]:
    decoded = map(first_image, media[:_TRIED])
    return islice((image for image in decoded if not isinstance(image, Failure)), _IMAGES)


def _is_among(theirs: Detections, row: int, ours: Detections) -> bool:
    box, boxes = theirs.xyxy[row], ours.xyxy
    sides = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    shared = sides.clip(0).prod(1)
    union = (box[2:] - box[:2]).prod() + (boxes[:, 2:] - boxes[:, :2]).prod(1) - shared
    return bool(((shared >= _SAME_IOU * union) & (ours.class_id == theirs.class_id[row])).any())
