"""Small pictures of a video's frames, kept with each segment, so that its thumbnail is the same after a stop."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from entrypoint.results.report.thumbnails import STRIP, encoded, shrunk

_EVERY = 8  # frames


class Tiles:
    """Takes the frames of a segment, and keeps small pictures of some."""

    def __init__(self) -> None:
        self._tiles: list[NDArray[np.uint8]] = []
        self._seen = 0

    def add(self, image: NDArray[np.uint8]) -> None:
        """Take the next frame (HWC uint8 BGR); most are only counted."""
        if self._seen % _EVERY == 0:
            self._tiles.append(shrunk(image).copy())
        self._seen += 1

    def picture(self) -> bytes:
        """All that are kept, side by side in a JPEG."""
        return encoded(np.hstack(self._tiles))


def strip(frames: Sequence[int], picture: Callable[[int], bytes], width: int, height: int) -> bytes:
    """A JPEG of at most STRIP tiles, evenly spread over those of all segments, side by side.

    `frames`: how many each segment has; `picture` gives that of a segment. `width`, `height`: of a frame, in pixels.
    """
    wide = shrunk(np.empty((height, width, 3), np.uint8)).shape[1]
    tiles = [(segment, tile) for segment, count in enumerate(frames) for tile in range(-(-count // _EVERY))]
    chosen = np.linspace(0, len(tiles) - 1, min(STRIP, len(tiles))).round().astype(int).tolist()
    side_by_side = []
    for segment, tile in (tiles[place] for place in chosen):
        image = cv2.imdecode(np.frombuffer(picture(segment), np.uint8), cv2.IMREAD_COLOR)
        if image is not None:
            side_by_side.append(np.asarray(image[:, tile * wide : (tile + 1) * wide], np.uint8))
    return encoded(np.hstack(side_by_side))
