"""What a record tells of a video, beside what it tells of every input."""

from dataclasses import dataclass
from typing import Any, Self

from entrypoint.checks import checked_number, checked_whole

_MOST_FRAMES = 1 << 64


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """What is known of a video beside its frames' size.

    `fps`: its frames a second, on the average; `frames`: how many it has, by its own account where not all could be
    read; `frames_read`: how many were decoded; `duration` in seconds. None is what nothing tells.
    """

    fps: float | None
    frames: int | None
    frames_read: int
    duration: float | None

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> Self | None:
        """Those in the JSON of a record, each checked; None for that of a still. Raises ValueError."""
        if "frames_read" not in plain:
            return None
        fps, frames, duration = plain.get("fps"), plain.get("frames"), plain.get("duration")
        return cls(
            None if fps is None else checked_number(fps, "fps"),
            None if frames is None else checked_whole(frames, "frames", 0, _MOST_FRAMES),
            checked_whole(plain["frames_read"], "frames_read", 0, _MOST_FRAMES),
            None if duration is None else checked_number(duration, "duration"),
        )
