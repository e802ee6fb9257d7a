"""The class names in the data.yaml of a YOLO dataset, read without a YAML library, which is not everywhere.

Of YAML only what such files use: a list in brackets or line by line, or a mapping from numbers, of texts in quotes or
without.
"""

import json
import re

_KEY = re.compile(r"^names\s*:[ \t]*(.*)$", re.MULTILINE)
_ITEM = re.compile(r"""^[ \t]*(?:-[ \t]+|(['"]?)(\d{1,9})\1[ \t]*:[ \t]+)(\S.*)$""")
_TEXT = r"""'(?:[^']|'')*'|"(?:[^"\\]|\\.)*"|"""
_IN_BRACKETS = re.compile(rf"\s*({_TEXT}[^,\]\[{{}}'\"\s](?:[^,\]\[]*[^,\]\[\s])?)\s*(?:,|(?=\]))")
_END = re.compile(r"\s*\]")
_QUOTED = re.compile(rf"({_TEXT[:-1]})[ \t]*(?:#.*)?")
_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|U([0-9A-Fa-f]{8})|.)")
_COMMENT = re.compile(r"\s#")


def names_in(text: str) -> dict[int, str]:
    """The names, by their numbers; empty where the file has none. Raises ValueError for what cannot be read."""
    found = _KEY.search(text)
    if found is None:
        return {}
    if found[1].startswith("["):
        return dict(enumerate(_bracketed(text[found.start(1) + 1 :])))
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


def _listed(rest: str) -> dict[int, str]:
    names: dict[int, str] = {}
    for line in rest.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        item = _ITEM.match(line)
        if item is None:
            if line[0] in " \t-'\"":  # the next key of the file stands at the start of its line
                raise ValueError(f"names: {line[:80]!r} is neither an item of a list nor a number with its name")
            break
        names[len(names) if item[2] is None else int(item[2])] = _plain(_on_a_line(item[3]))
    return dict(sorted(names.items()))


def _on_a_line(rest: str) -> str:
    """The text at the start of what is left of a line, in its quotes, without a comment behind it."""
    if rest[0] not in "'\"":
        return _COMMENT.split(rest, 1)[0].rstrip()
    quoted = _QUOTED.fullmatch(rest)
    if quoted is None:
        raise ValueError(f"names: {rest[:80]!r} is no text")
    return quoted[1]


def _plain(text: str) -> str:
    if text.startswith("'"):
        return text[1:-1].replace("''", "'")
    if text.startswith('"'):
        return str(json.loads(_ESCAPE.sub(_as_in_json, text), strict=False))
    return text


def _as_in_json(escape: re.Match[str]) -> str:
    """YAML has further escapes than JSON, of which only these two are written by what makes such files."""
    code = escape[1] or escape[2]
    return json.dumps(chr(int(code, 16)))[1:-1] if code else escape[0]
