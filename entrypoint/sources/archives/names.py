"""Names of members of archives made fit to be names of inputs: they stay below the archive, each is there once."""

import hashlib
import re
from collections.abc import Iterator

_DRIVE = re.compile(r"^[A-Za-z]:")
_MOST_BYTES, _DIGEST = 800, 16


def safe_name(name: str) -> str:
    """A name below the archive, whatever it says: without `..`, drive or backslash, valid Unicode, and not too long."""
    plain = name.replace("\\", "/").replace("\0", "").encode("utf-8", "backslashreplace").decode()
    parts = [part for part in _DRIVE.sub("", plain).split("/") if part not in ("", ".", "..")]
    safe = "/".join(parts) or "member"
    encoded = safe.encode()
    if len(encoded) <= _MOST_BYTES:
        return safe
    digest = hashlib.sha256(encoded).hexdigest()[:_DIGEST]
    return f"{digest}~{encoded[-_MOST_BYTES:].decode('utf-8', 'ignore').lstrip('/')}"


def is_hidden(name: str) -> bool:
    """Whether a safe name is that of a hidden file, or of one in a hidden folder."""
    return name.startswith(".") or "/." in name


def numbered(name: str) -> Iterator[str]:
    """The name, and then what it may be called where that is taken already."""
    yield name
    number = 2
    while True:
        yield f"{name}~{number}"
        number += 1
