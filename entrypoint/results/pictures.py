"""The report's small pictures of inputs whose results come from another run, which may have made others."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from entrypoint.results.formats import places
from entrypoint.results.formats.base import AnnotatedFrame, Format, Leave
from entrypoint.results.formats.thumbnails import Thumbnails
from entrypoint.results.journalentry import Entry
from entrypoint.values import Detections

_NOTHING = Detections.from_rows(np.empty((0, 6), np.float32), np.empty((0, 4), np.float32))


class Pictures:
    """Which inputs of a run have one depends on how many there are, so another run's are not always those of this."""

    def __init__(self, formats: Iterable[Format]) -> None:
        """`formats`: those that this run writes."""
        self._kinds = [kind for kind in formats if isinstance(kind, Thumbnails)]

    def lacks(self, earlier: Entry, file: str) -> bool:
        """Whether this run has a picture of the input, once that is called `file`, that the other run has not left."""
        wanted = any(kind.leaves(file) for kind in self._kinds)
        return wanted and not places(self._kinds, earlier.record, earlier.files, file)

    def write(self, file: str, image: NDArray[np.uint8], leave: Leave) -> None:
        """Make the picture of an input from its image: HWC uint8 BGR upright. Raises what `leave` raises."""
        for kind in self._kinds:
            kind.write(AnnotatedFrame(file, image, _NOTHING), leave)
