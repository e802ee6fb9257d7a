"""The class names in the data.yaml of a YOLO dataset, read without a YAML library, which is not everywhere.

Of YAML only what such files use: a list in brackets or line by line, or a mapping from numbers, of texts in quotes or
without.
"""

import json
import re

_KEY = re.compile(r"^names\s*:[ \t]*(.*)$", re.MULTILINE)
_ITEM = re.compile(r"^[ \t]*(?:-[ \t]+|(\d+)[ \t]*:[ \t]+)(\S.*)$")
_TEXT = r"""'(?:[^']|'')*'|"(?:[^"\\]|\\.)*"|"""
_IN_BRACKETS = re.compile(rf"\s*({_TEXT}[^,\]\[{{}}'\"\s](?:[^,\]\[]*[^,\]\[\s])?)\s*(?:,|(?=\]))")
_END = re.compile(r"\s*\]")
_ON_A_LINE = re.compile(rf"({_TEXT}[^'\"#][^\n]*?)(?:\s+\#.*)?\s*$")


def names_in(text: str) -> list[str]:
    """The names, by their numbers; empty where the file has none. Raises ValueError for what cannot be read."""
    found = _KEY.search(text)
    if found is None:
        return []
    if found[1].startswith("["):
        return _bracketed(text[found.start(1) + 1 :])
    if found[1] and not found[1].startswith("#"):
        raise ValueError(f"names: {found[1][:80]}, expected a list or a mapping from numbers")
    return _listed(text[found.end() :])


def _bracketed(rest: str) -> list[str]:
    names: list[str] = []
    place = 0
    while not _END.match(rest, place):
        item = _IN_BRACKETS.match(rest, place)
        if item is None:
            raise ValueError(f"names: {rest[place : place + 80]!r} is no text, or the list does not end")
        names.append(_plain(item[1]))
        place = item.end()
    return names


def _listed(rest: str) -> list[str]:
    names: dict[int, str] = {}
    for line in rest.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        item = _ITEM.match(line)
        if item is None:
            break
        text = _ON_A_LINE.match(item[2])
        if text is None:
            raise ValueError(f"names: {item[2][:80]!r} is no text")
        names[len(names) if item[1] is None else int(item[1])] = _plain(text[1])
    return [names[number] for number in sorted(names)]


def _plain(text: str) -> str:
    if text.startswith("'"):
        return text[1:-1].replace("''", "'")
    if text.startswith('"'):
        # YAML has further escapes than JSON, of which only these are written by what makes such files.
        wide = re.sub(r"\\U([0-9A-Fa-f]{8})", lambda code: chr(int(code[1], 16)), text)
        return str(json.loads(re.sub(r"\\x([0-9A-Fa-f]{2})", r"\\u00\1", wide), strict=False))
    return text
