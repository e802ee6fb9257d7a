"""Names of members of archives made fit to be names of inputs: they stay below the archive, each is there once."""

import hashlib
import re

from entrypoint.text import printable

_DRIVE = re.compile(r"^[A-Za-z]:")
_MOST_BYTES, _DIGEST = 800, 16


def safe_name(name: str) -> str:
    """Return a name below the archive: without `..`, drive or backslash as a separator, valid Unicode, not too long."""
    plain = name.replace("\\", "/").replace("\0", "")
    parts = [part for part in _DRIVE.sub("", plain).split("/") if part not in ("", ".", "..")]
    safe = printable("/".join(parts)) or "member"
    encoded = safe.encode()
    if len(encoded) <= _MOST_BYTES:
        return safe
    digest = hashlib.sha256(encoded).hexdigest()[:_DIGEST]
    return f"{digest}~{encoded[-_MOST_BYTES:].decode('utf-8', 'ignore').lstrip('/')}"


def is_hidden(name: str) -> bool:
    """Whether a safe name is that of a hidden file, or of one in a hidden folder."""
    return name.startswith(".") or "/." in name


class Names:
    """Gives each name once. Of each it remembers 8 bytes, and of one that comes again, which number it had last."""

    def __init__(self) -> None:
        self._taken: set[int] = set()
        self._last: dict[int, int] = {}

    def free(self, name: str) -> str:
        """The name, or with a number behind it where it was given already."""
        free, key = name, hash(name)
        while hash(free) in self._taken:
            self._last[key] = self._last.get(key, 1) + 1
            free = f"{name}~{self._last[key]}"
        self._taken.add(hash(free))
        return free
