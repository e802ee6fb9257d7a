"""From the text of an option to its value. Each of these raises ValueError with what was found and what is expected."""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from entrypoint.shard import Shard

_COUNT = re.compile("[0-9]{1,9}")
_MOST_SIDE, _MOST_BATCH = 16384, 4096


def whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """A whole number in that range, both ends included."""
    expected = f"a whole number from {least} to {most}" if most is not None else f"a whole number, {least} or more"

    def parse(text: str) -> int:
        if not _COUNT.fullmatch(text) or not least <= int(text) <= (math.inf if most is None else most):
            raise ValueError(f"{text!r} is not {expected}")
        return int(text)

    return parse


def fraction(text: str) -> float:
    """A number from 0 to 1."""
    number = _number(text)
    if not 0 <= number <= 1:
        raise ValueError(f"{text!r} is not a number from 0 to 1")
    return number


def seconds(text: str) -> float:
    """A finite number of seconds above 0."""
    number = _number(text)
    if not 0 < number < math.inf:
        raise ValueError(f"{text!r} is not a number of seconds above 0")
    return number


def image_size(text: str) -> tuple[int, int]:
    """Height and width in pixels: two numbers, or one for both."""
    parts = re.split(r"[,\s]+", text.strip())
    if len(parts) > 2 or not all(_COUNT.fullmatch(part) and 1 <= int(part) <= _MOST_SIDE for part in parts):
        raise ValueError(
            f"{text!r} is not a size in pixels: expected one number, or height and width, from 1 to {_MOST_SIDE}"
        )
    return int(parts[0]), int(parts[-1])


def batch_size(text: str) -> int | None:
    """A number of images; None for `auto`."""
    if text == "auto":
        return None
    if not _COUNT.fullmatch(text) or not 1 <= int(text) <= _MOST_BATCH:
        raise ValueError(f"{text!r} is neither 'auto' nor a number of images from 1 to {_MOST_BATCH}")
    return int(text)


def classes(text: str) -> tuple[str, ...]:
    """Ids and names with commas between them; ids alone may have spaces there, which names hold themselves."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        raise ValueError(f"{text!r} names no class: expected ids or names, with commas or spaces between them")
    return tuple(word for part in parts for word in (part.split() if part.replace(" ", "").isdecimal() else [part]))


def words(text: str) -> tuple[str, ...]:
    """Words with commas or spaces between them."""
    found = tuple(re.findall(r"[^,\s]+", text))
    if not found:
        raise ValueError(f"{text!r} holds no word")
    return found


def shard(text: str) -> Shard | Literal["auto", "none"]:
    """One share of several, `I/N`, or `auto`, or `none`."""
    if text in ("auto", "none"):
        return "auto" if text == "auto" else "none"
    return Shard.parse(text)


def path(text: str) -> str:
    """Return a path, a pattern or the name of a file as it is."""
    if not text:
        raise ValueError("a path is expected, and this one is empty (by a variable that is not set?)")
    return text


def paths(text: str) -> str:
    """Return the text of paths on a line each; the last one may end in a line break."""
    return "\n".join(map(path, text.removesuffix("\n").split("\n")))


def folder(text: str) -> Path:
    """The path of a folder, which need not be there yet."""
    return Path(path(text))


def name_below(text: str) -> str:
    """The name of a folder below another one, or several with `/` between them: it never leads out of that one."""
    if any(part in ("", ".", "..") for part in text.split("/")):
        raise ValueError(
            f"{text!r} is not the name of a folder below --project: expected a name such as 'exp' or 'trial/exp', "
            "without a / at either end, '.' or '..'"
        )
    return text


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan  # which no range holds
