"""JSON as text: written by the standard library, so that each byte stays what it was, and read by a faster one."""

import json
from typing import Any

from entrypoint.checks import checked_object, shown

try:
    from orjson import loads as _fast  # a fifth of the time, which a million records feel
except ImportError:  # a checkout may be run with a GPU, PyTorch, OpenCV, NumPy and click alone
    from json import loads as _fast  # type: ignore[assignment]

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


def compact(value: object) -> bytes:
    """Standard JSON on one line: no NaN, no escapes that readers need not see."""
    return _ENCODER.encode(value).encode()


def decoded(line: bytes | str) -> dict[str, Any]:
    """The JSON object that a line holds. Raises ValueError."""
    try:
        value = _fast(line)
    except (ValueError, RecursionError):  # the standard library has the last word, and says what is wrong
        try:
            value = json.loads(line.decode() if isinstance(line, bytes) else line)
        except RecursionError as error:
            raise ValueError("nested too deep") from error
    return checked_object(value, "line")


def decoded_texts(text: bytes) -> list[str]:
    """The JSON list of strings that a text holds. Raises ValueError."""
    try:
        value = _fast(text)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    if not isinstance(value, list) or not all(type(item) is str for item in value):
        raise ValueError(f"{shown(value)} is no list of strings")
    return value
