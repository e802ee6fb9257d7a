"""What is read from JSON is checked with these; each raises ValueError that says what was found and what expected."""

import json
import math
from typing import Any

_DEEPEST = 64
"""Values inside each other that are taken over: writers recurse, some deeper into Python's stack than readers."""


def checked_object(value: object, what: str) -> dict[str, Any]:
    """A decoded JSON object; `what` names it in the ValueError for anything else, here and below."""
    if not isinstance(value, dict):
        raise ValueError(f"{what} is {shown(value)}, expected an object")
    return value


def checked_json(value: object, what: str) -> dict[str, Any]:
    """Return a decoded JSON object all parts of which can be written again: decoders take 1e999 for infinity."""
    plain = checked_object(value, what)
    if _is_deeper(plain, _DEEPEST):
        raise ValueError(f"{what} is nested too deep, expected at most {_DEEPEST} values inside each other")
    try:
        json.dumps(plain, allow_nan=False, ensure_ascii=False).encode()
    except ValueError as error:
        raise ValueError(f"{what} holds a part that is no standard JSON ({error})") from error
    return plain


def checked_text(value: object, what: str) -> str:
    """A string that has a UTF-8 form."""
    if not isinstance(value, str):
        raise ValueError(f"{what} is {shown(value)}, expected a string")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{what} {shown(value)} is not valid Unicode") from error
    return value


def checked_number(value: object, what: str) -> float:
    """Return a number that a float can hold."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not _is_finite(value):
        raise ValueError(f"{what} is {shown(value)}, expected a finite number")
    return value


def checked_whole(value: object, what: str, least: int, most: int) -> int:
    """A whole number from `least` to `most`."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{what} is {shown(value)}, expected a whole number from {least} to {most}")
    return value


def shown(value: object) -> str:
    """Return a value as a message shows it: short, and in ASCII."""
    try:
        return ascii(value)[:80]
    except RecursionError:  # a decoder may take deeper values than can be written
        return "nested too deep"


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # a whole number of more than 308 digits
        return False


def _is_deeper(value: object, most: int) -> bool:
    """Return whether more than `most` objects and lists lie inside each other."""
    if not isinstance(value, (dict, list)):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return not most or any(_is_deeper(one, most - 1) for one in inner)
