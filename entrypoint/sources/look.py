"""How frames of a video are to be shown."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Self

from entrypoint.checks import checked_number, checked_object, checked_whole

_ANY = 1 << 31


@dataclass(frozen=True, slots=True)
class Look:
    """How a player is to show the frames of a video, when they are upright.

    `time_base`: seconds that a unit of `PlacedFrame.pts` lasts. `fps`: frames a second, on the average. `aspect`: the
    width of a pixel by its height. `colours`: FFmpeg's numbers for the colour space, primaries and transfer. `origin`:
    the time, in seconds, at which playing begins, where times are those of a clock that may have begun days ago.
    """

    time_base: Fraction
    fps: float
    aspect: Fraction = Fraction(1)
    colours: tuple[int, int, int] = (2, 2, 2)
    origin: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """As a journal holds it."""
        return {
            "time_base": list(self.time_base.as_integer_ratio()),
            "fps": self.fps,
            "aspect": list(self.aspect.as_integer_ratio()),
            "colours": list(self.colours),
            "origin": self.origin,
        }

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Raises ValueError."""
        plain = checked_object(value, "look")
        space, primaries, transfer = _whole_numbers(plain.get("colours"), 3, 0)
        return cls(
            Fraction(*_whole_numbers(plain.get("time_base"), 2, 1)),
            checked_number(plain.get("fps"), "fps"),
            Fraction(*_whole_numbers(plain.get("aspect"), 2, 1)),
            (space, primaries, transfer),
            checked_number(plain.get("origin"), "origin"),
        )


def _whole_numbers(value: object, count: int, least: int) -> list[int]:
    if not isinstance(value, list) or len(value) != count:
        raise ValueError(f"not a list of {count} numbers")
    return [checked_whole(one, "number", least, _ANY) for one in value]
