"""The kinds of media, one file each, which are found by being here: a new kind is a new file in this folder.

A kind registers its class with `register`. Files are known by suffix, and where that says nothing by their first bytes.
"""

import importlib
import pkgutil
from functools import cache, lru_cache

from entrypoint.sources.medium import FileMedium

_KINDS: list[type[FileMedium]] = []


def register(kind: type[FileMedium]) -> type[FileMedium]:
    """As a decorator of the class of a kind: from now on files are looked at for it."""
    _KINDS.append(kind)
    by_suffix.cache_clear()
    return kind


@lru_cache(100)
def by_suffix(suffix: str) -> type[FileMedium] | None:
    """The kind whose files have this suffix (in lower case, with its dot)."""
    _load()
    return next((kind for kind in _KINDS if suffix in kind.suffixes), None)


def by_content(head: bytes) -> type[FileMedium] | None:
    """The kind of a file that begins with these bytes."""
    _load()
    return next((kind for kind in _KINDS if kind.recognises(head)), None)


@cache
def _load() -> None:
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
