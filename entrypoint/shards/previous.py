"""`--previous`: finished inputs of earlier runs, known by what was read of them and taken over with their files."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from entrypoint.errors import OutputError, SourceError
from entrypoint.inputstate import InputState
from entrypoint.log import LOG
from entrypoint.results.journal import JOURNAL
from entrypoint.results.journalentry import Entry
from entrypoint.results.results import Results
from entrypoint.results.runfolder import RunFolder
from entrypoint.results.settling import settled, unnamed
from entrypoint.shards.contents import DATABASE, Contents
from entrypoint.shards.meeting import database_errors
from entrypoint.shards.parts import PackedFiles, Part, unpack
from entrypoint.shards.search import NoPartError, find_parts
from entrypoint.sources.faults import failure_of
from entrypoint.sources.medium import Medium, first_image
from entrypoint.text import difference, printable
from entrypoint.values import Failure, Record, ResultError

Within = Callable[[Callable[[], Any]], Any]
_AT_ONCE = 32  # inputs that are read side by side; members of a compressed archive wait in memory for that


@dataclass(frozen=True, slots=True)
class Previous:
    """What earlier runs have left below a path."""

    parts: tuple[Part, ...]

    @classmethod
    def find(cls, path: Path, identity: dict[str, Any]) -> "Previous":
        """Raises SourceError when there is nothing that a run has left, or something of a run of another `identity`.

        What counts of that are the program's version, the sha256 of the weights, and the deciding settings. Where all
        there is is damaged, nothing can be taken over, and that is no error.
        """
        try:
            parts, _ = find_parts([path])
        except NoPartError as error:
            if not error.damaged:
                raise
            LOG.warning("nothing is taken over from %s: all that is there is damaged", printable(path))
            parts = []
        for part in parts:
            for what in ("version", "weights", "settings"):
                before, now = part.decisive[what], identity[what]
                if before != now:
                    raise SourceError(
                        f"{printable(part.path)} was made with other {what} ({difference(before, now)}, there and "
                        f"here), so nothing of it can be taken over: run with the {what} it has, or without --previous"
                    )
        return cls(tuple(parts))

    def engines(self) -> set[str]:
        """What computed the results; by another engine, last digits may differ."""
        return {part.status.engine for part in self.parts}


class TakeOver:
    """Brings finished inputs of earlier runs into the folder of this one."""

    def __init__(self, previous: Previous, folder: RunFolder, results: Results, names: tuple[str, ...]) -> None:
        """`names`: the network's classes by id."""
        here = folder.path.resolve()
        self._parts = [part for part in previous.parts if part.path.resolve() != here]
        self._folder, self._results, self._names = folder, results, names
        self.gone = 0
        """How many inputs of the earlier runs there are of which this one has met neither the name nor the content."""

    def run(
        self,
        listing: Sequence[Medium],
        left: Iterable[int],
        is_over: Callable[[], bool],
        within: Within,
        threads: int,
        is_here: Callable[[str], bool],
    ) -> Iterator[tuple[int, Record]]:
        """Take over what there is of the media at the places `left`; gives each place and record, once it is on disk.

        The places are in the order in which the media are best read.
        Ends early when time `is_over`; `within` makes a call, and gives a failure if it does not return by then.
        `threads` read at once. `is_here`: whether an input of that name is in the source, or is not looked for by this
        run. Raises OutputError.
        """
        database = self._folder.scratch / DATABASE
        with database_errors(self._folder.path), closing(Contents(database)) as contents:
            for number, part in enumerate(self._parts):
                self._read(contents, number, part)
            contents.all_put()
            complete = self._look_for(contents, (listing[place] for place in left), is_over, within, threads)
            self._unpack(contents)
            for number, part in enumerate(self._parts):
                for place, state, entry in contents.wanted(number):
                    if is_over():
                        return
                    if record := self._take(part, listing[place], state, entry):
                        yield place, record
            if complete:
                self.gone = sum(not is_here(file) for file in contents.unused())

    def _read(self, contents: Contents, number: int, part: Part) -> None:
        """Read the records of a part. What is damaged, or of classes that the weights do not have, is passed over."""
        damaged = 0
        try:
            for _, file, said in part.entries():
                if isinstance(said, str) or (said and unnamed(said.record, self._names)):
                    damaged += 1
                else:
                    contents.put(number, file, said)
        except OSError as error:
            LOG.warning("%s: %s cannot be read: %s", printable(part.path), JOURNAL, error.strerror)
        if damaged:
            LOG.warning("%s: %d lines of %s are damaged, and left out", printable(part.path), damaged, JOURNAL)

    def _look_for(
        self,
        contents: Contents,
        media: Iterable[Medium],
        is_over: Callable[[], bool],
        within: Within,
        threads: int,
    ) -> bool:
        """Find the entry that each medium is to have; return False if time was over before all had been read."""
        if not self._parts:
            return True
        with ThreadPoolExecutor(threads) as pool:
            waiting = iter(media)
            while some := list(islice(waiting, _AT_ONCE)):
                if is_over():
                    return False
                for medium in some:
                    with suppress(Exception):  # it is raised again when the medium is read
                        within(medium.read_ahead)
                found = pool.map(lambda medium: within(partial(_digest, medium)), some)
                for medium, digest in zip(some, found, strict=True):
                    if isinstance(digest, Failure):
                        return False
                    if digest:
                        contents.want(medium.index, medium.file, *digest)
        return True

    def _unpack(self, contents: Contents) -> None:
        """Unpack what is to be taken over from archives, and nothing else."""
        wanted: set[int] = set()
        for number, part in enumerate(self._parts):
            if isinstance(part.files, PackedFiles):
                for _, _, entry in contents.wanted(number):
                    wanted.update(hash((str(part.path), path)) for path in entry.files)
        unpack(self._parts, self._folder.scratch, lambda part, path: hash((part, path)) in wanted)

    def _take(self, part: Part, medium: Medium, state: InputState | None, entry: Entry) -> Record | None:
        """Give a medium the record of an entry; None where its results cannot be had. Raises OutputError."""
        index, leave = medium.index, self._results.leave(medium.file)
        places = self._places(part, entry.stored(part.files.open), medium.file)
        lacks_picture = self._results.pictures.lacks(entry, medium.file)
        if places is None or (lacks_picture and entry.record.video):
            return None
        self._results.begin(index)
        try:
            for path in entry.files:
                if path in places:
                    with part.opened(path) as descriptor:
                        leave.take_over(descriptor, places[path])
            if lacks_picture:
                self._results.pictures.write(medium.file, _image(medium, entry.record.sha256), leave)
            record = settled(replace(entry.record, file=medium.file), leave.place, self._folder.tree, self._names)
            if record.failure:
                raise ResultError(record.failure)
            self._results.finish(index, record, state)
        except Exception as error:  # noqa: BLE001 - one input's results; the input is looked at anew
            why = error if isinstance(error, OSError) else failure_of(error, medium.file, "take over its results")
            LOG.warning("%s: results of %s cannot be taken over: %s", printable(part.path), medium.file, why)
            self._results.begin(index)
            return None
        return record

    def _places(self, part: Part, entry: Entry, file: str) -> dict[str, str] | None:
        """Where the results of an entry belong; None for one that tells of places that are none."""
        try:
            return self._results.places_of(entry, file)
        except OutputError as error:
            LOG.warning("%s: results of %s cannot be taken over: %s", printable(part.path), file, error)
            return None


def _image(medium: Medium, sha256: str | None) -> NDArray[np.uint8]:
    """Return the image of a still whose bytes have that sha256. Raise ResultError."""
    image = first_image(medium)
    if isinstance(image, Failure):
        raise ResultError(image)
    if medium.sha256 != sha256:
        raise ResultError(Failure("changed", "another file than a moment ago"))
    return image


def _digest(medium: Medium) -> tuple[str, InputState] | None:
    """Return the medium's digest; None if it cannot be read, which its record says when it is looked at."""
    with suppress(Exception):
        return medium.digest()
    return None
