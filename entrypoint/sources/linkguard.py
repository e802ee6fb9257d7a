"""Links to folders are followed, but never round and round."""

import os
from collections import Counter
from collections.abc import Collection

_MOST_NESTED = 8  # links that a path may lead through, of those that are found and not named
_MOST_TIMES = 16

Identity = tuple[int, int]
"""Device and inode of a folder, however it is reached."""


def identity(path: str) -> Identity:
    """That of the folder at a path, through links. Raises OSError."""
    found = os.stat(path)  # noqa: PTH116
    return found.st_dev, found.st_ino


class LinkGuard:
    """Remembers which folders were entered."""

    def __init__(self) -> None:
        self._entered: Counter[Identity] = Counter()

    def enter(self, folder: Identity) -> None:
        """It is entered now."""
        self._entered[folder] += 1

    def fault(self, folder: Identity, above: Collection[Identity], links: int) -> str | None:
        """Why a folder is not to be entered below those `above`, of which so many are `links`; None where it may."""
        if folder in above:
            return "a link to a folder that contains it"
        if links > _MOST_NESTED:
            return f"below more than {_MOST_NESTED} linked folders"
        if links and self._entered[folder] >= _MOST_TIMES:
            return f"a folder reached {_MOST_TIMES} times by links"
        return None
