"""Which member of an archive goes by which name: sixteen bytes a member, however long their names."""

from array import array

import numpy as np

from entrypoint.sources.archives.member import Archive


class ArchiveIndex:
    """The members of `archive` that are inputs, by their names in the listing. Names are added first, then found."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        self._keys, self._numbers = array("q"), array("q")
        self._sorted = True

    def add(self, name: str, number: int) -> None:
        """The member of that number goes by this name, by which none does yet."""
        self._keys.append(hash(name))
        self._numbers.append(number)
        self._sorted = False

    def number(self, name: str) -> int:
        """The number of a member that was added. Raises KeyError."""
        if not self._sorted:
            keys = np.array(self._keys)
            order = np.argsort(keys, kind="stable")
            self._keys, self._numbers = (
                array("q", values[order].tobytes()) for values in (keys, np.array(self._numbers))
            )
            self._sorted = True
        key = hash(name)
        place = int(np.searchsorted(np.frombuffer(self._keys, np.int64), key))
        if place == len(self._keys) or self._keys[place] != key:
            raise KeyError(name)
        return self._numbers[place]
