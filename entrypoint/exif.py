"""When and where a photograph was taken, as its record tells it where that is asked for."""

import re
from dataclasses import dataclass
from typing import Any, Literal, Self

from entrypoint.checks import checked_number, shown

ExifWanted = Literal["none", "time", "all"]

_WRITTEN = re.compile(r"\d{4}:(0[1-9]|1[0-2]):(0[1-9]|[12]\d|3[01]) ([01]\d|2[0-3]):[0-5]\d:[0-6]\d", re.ASCII)
_NORTHMOST, _EASTMOST = 90, 180


@dataclass(frozen=True, slots=True)
class Exif:
    """`datetime` as cameras write it, `2026:05:31 18:00:05` in the camera's own time; degrees north and east.

    What is not there, or cannot be, is None. There is either both of the degrees or neither.
    """

    datetime: str | None = None
    latitude: float | None = None
    longitude: float | None = None

    def to_json(self) -> dict[str, Any]:
        """As records hold it: the date in any case, the place only where it is known."""
        if self.latitude is None:
            return {"datetime": self.datetime}
        return {"datetime": self.datetime, "latitude": self.latitude, "longitude": self.longitude}

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> Self | None:
        """That in the JSON of a record, checked; None where it was not asked for. Raises ValueError."""
        if "datetime" not in plain:
            return None
        taken, north, east = plain["datetime"], plain.get("latitude"), plain.get("longitude")
        if taken is not None and not (isinstance(taken, str) and is_datetime(taken)):
            raise ValueError(f"datetime {shown(taken)} is not of the form '2026:05:31 18:00:05'")
        if north is None and east is None:
            return cls(taken)
        for what, value, most in (("latitude", north, _NORTHMOST), ("longitude", east, _EASTMOST)):
            if abs(checked_number(value, what)) > most:
                raise ValueError(f"{what} {value} is not from -{most} to {most}")
        return cls(taken, north, east)


def is_datetime(text: str) -> bool:
    """Whether a text is a moment as cameras write it; those without a set clock write spaces or zeros."""
    return bool(_WRITTEN.fullmatch(text)) and not text.startswith("0000")
