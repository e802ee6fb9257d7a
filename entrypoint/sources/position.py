"""A place in a video."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Position:
    """The place right behind a frame, so exactly that reading on from there gives what reading through would.

    `index`: the frame's. `pts`: its time in the stream's units; None where that does not tell the place, as when frames
    before it are damaged. `width`, `height`: the size of the video's first frame, upright, in pixels.
    """

    index: int
    pts: int | None
    width: int
    height: int
