"""What goes through the network for a frame: today one view, the whole frame letterboxed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from entrypoint.detect.letterbox import Letterbox


@dataclass(frozen=True, slots=True)
class View:
    """`pixels`: HWC uint8 BGR as the network is to see them; `letterbox`: the way there from the frame, and back."""

    letterbox: Letterbox
    pixels: NDArray[np.uint8]
