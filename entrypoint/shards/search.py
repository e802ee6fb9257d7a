"""Where parts are found: in folders, however nested, and in the archives that lie there."""

import os
from collections.abc import Callable, Container, Sequence
from functools import lru_cache, partial
from pathlib import Path

from entrypoint.errors import SourceError
from entrypoint.host.shortage import raise_if_out_of_files
from entrypoint.jsontext import decoded
from entrypoint.log import LOG
from entrypoint.results.claim import read_status
from entrypoint.results.formats import result_folders
from entrypoint.results.journal import JOURNAL
from entrypoint.results.runstatus import STATUS, RunStatus
from entrypoint.results.tree import Tree
from entrypoint.shards.packed import SUFFIXES, PackedParts, Spool
from entrypoint.shards.parts import FolderFiles, PackedFiles, Part, PartFiles
from entrypoint.text import printable

_TREES = 64  # folders that are held open


class NoPartError(SourceError):
    """There is nothing that a run has left; `damaged` is what may have been such."""

    def __init__(self, message: str, damaged: Sequence[str]) -> None:
        super().__init__(message)
        self.damaged = damaged


def find_parts(places: Sequence[Path]) -> tuple[list[Part], list[str]]:
    """All parts at and below the places, each once, and what is damaged there.

    A place is a folder, or an archive as `bacalhau job get --raw` leaves them; such archives are also found below a
    folder. Links below folders are not followed. Raises SourceError for a place that is not there, and where there is
    no part.
    """
    search = _Search()
    for top in places:
        if top.is_file() and top.name.endswith(SUFFIXES):
            search.archive(top)
        elif top.is_dir():
            search.folder(top)
        else:
            raise SourceError(
                f"{printable(top)} is neither a folder nor an archive ({', '.join(SUFFIXES)}); expected one that holds "
                "the parts of a job"
            )
    if not search.found:
        where = ", ".join(printable(top) for top in places)
        also = f" (damaged: {', '.join(search.damaged)})" if search.damaged else ""
        raise NoPartError(
            f"no part of a run below {where}{also}; expected folders that yolo-bac left, a {STATUS} in each",
            search.damaged,
        )
    return list(search.found.values()), search.damaged


class _Search:
    def __init__(self) -> None:
        self.found: dict[Path, Part] = {}
        self.damaged: list[str] = []
        self._inner = result_folders()
        self._tree = lru_cache(_TREES)(Tree)
        self._spool = Spool()

    def folder(self, top: Path) -> None:
        """All parts below a folder."""
        for folder, below, names in os.walk(top, onerror=_log_unreadable):
            path = Path(folder)
            if self._add(path, partial(_status_in, path), FolderFiles(path, self._tree)):
                below[:] = [name for name in below if name not in self._inner]
            below.sort()
            for name in sorted(names):
                if name.endswith(SUFFIXES) and not (path / name).is_symlink():
                    self.archive(path / name)

    def archive(self, path: Path) -> None:
        """All parts in an archive."""
        archive = PackedParts(path, self._spool)
        for folder in sorted(archive.statuses):
            if not self._is_result(folder, archive.statuses):
                text = archive.statuses[folder]
                self._add(path / folder, partial(_status_of, text), PackedFiles(archive, folder))
        if archive.fault:
            LOG.warning("%s cannot be read to its end: %s", printable(path), archive.fault)
            self.damaged.append(printable(path))

    def _add(self, path: Path, status: Callable[[], RunStatus], files: PartFiles) -> bool:
        """Whether there is a part."""
        try:
            part = Part.of(path, status(), files)
        except ValueError as error:
            LOG.warning("%s is not a whole status of a run: %s", printable(path / STATUS), error)
            if isinstance(files, PackedFiles) or os.path.lexists(path / JOURNAL):
                self.damaged.append(printable(path))
        except FileNotFoundError:
            pass
        except OSError as error:
            raise_if_out_of_files(error)
            _log_unreadable(error)
        else:
            self.found.setdefault(path.resolve(), part)
            return True
        return False

    def _is_result(self, folder: str, parts: Container[str]) -> bool:
        """Whether a folder in an archive lies among the results of a part."""
        names = folder.split("/") if folder else []
        places = (place for place, name in enumerate(names) if name in self._inner)
        return any("/".join(names[:place]) in parts for place in places)


def _status_in(folder: Path) -> RunStatus:
    return read_status(Tree(folder))


def _status_of(text: bytes) -> RunStatus:
    return RunStatus.from_json(decoded(text))


def _log_unreadable(error: OSError) -> None:
    LOG.warning("%s cannot be listed: %s", printable(error.filename), error.strerror)
