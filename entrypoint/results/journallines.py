"""The lines of a journal, before anything in them has been checked."""

import json
import os
from collections.abc import Iterator
from typing import Any

from entrypoint.jsontext import compact

_FIRST, _GONE = b'{"file": "', b', "gone": true}\n'
_SCAN: Any = json.decoder.scanstring  # type: ignore[attr-defined]


def lines(descriptor: int) -> Iterator[tuple[int, bytes]]:
    """All whole lines, each with its offset."""
    offset = 0
    with os.fdopen(os.dup(descriptor), "rb") as file:
        file.seek(0)
        for line in file:
            if not line.endswith(b"\n"):
                return
            yield offset, line
            offset += len(line)


def gone(file: str) -> bytes:
    """The line that takes an input's lines back."""
    return compact({"file": file})[:-1] + _GONE


def is_gone(line: bytes, file: str) -> bool:
    """Whether a line of the input `file` takes its lines back."""
    return line.endswith(_GONE) and line == gone(file)


def name_in(line: bytes) -> str | None:
    """The input that a line is of, None where that cannot be told. Faster than to decode the line."""
    if not line.startswith(_FIRST):
        return None
    start = len(_FIRST)
    try:
        name = line[start : line.index(b'"', start)]
        if b"\\" not in name:
            return name.decode()
        found: str = _SCAN(line.decode(), start)[0]
    except ValueError:
        return None
    return found
