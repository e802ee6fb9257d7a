"""Text that any reader takes: valid Unicode for files, and nothing that a terminal obeys for what is printed."""

import os
import unicodedata
from typing import Any


def printable(path: object) -> str:
    r"""A path as valid Unicode: bytes that are not UTF-8 become `\\xNN`."""
    return os.fsencode(str(path)).decode("utf-8", "backslashreplace")


def shown(value: object) -> str:
    r"""Any value as one line that is safe to print: what is no visible character becomes `\\n`, `\\x1b`, `\\u202e`.

    File names, class names and what a checkpoint pickled are other people's text. Control characters in them could
    move a terminal's cursor or forge a line, and format characters such as U+202E reverse the text beside them.
    Letters, marks, symbols and spaces of all scripts stay as they are.
    """
    text = str(value)
    if text.isprintable():
        return text
    return "".join(map(_escaped, text))


def difference(a: Any, b: Any) -> str:
    """Two values that differ, for a person; of objects, the keys that do."""
    if not isinstance(a, dict) or not isinstance(b, dict):
        return f"{a}, {b}"
    return ", ".join(f"{key} {a.get(key)} and {b.get(key)}" for key in sorted({*a, *b}) if a.get(key) != b.get(key))


def _escaped(character: str) -> str:
    if character.isprintable() or unicodedata.category(character) == "Zs":
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a path that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()
