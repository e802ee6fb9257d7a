"""Which folder a run writes to: a new one, that of the same run when it was broken off, or one it is told to take.

Only a folder whose status.json this program wrote is ever emptied, and only of what the status and the journal beside
it name. A run puts its journal, still empty, and then its status into a folder before anything else.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

from entrypoint.jsontext import decoded
from entrypoint.log import LOG
from entrypoint.results.journal import JOURNAL, left_files
from entrypoint.results.ledger import BEGUN, DOOMED, SCRATCH, empty_scratch, read_begun
from entrypoint.results.lock import OWNER, FolderLock, read_owner
from entrypoint.results.runfolder import InTheWayError, RunFolder, output_errors
from entrypoint.results.runstatus import STATUS, RunStatus
from entrypoint.results.tree import Owner, Tree, make_folders, owner_above
from entrypoint.text import difference, printable

_MOST_STATUS_BYTES = 64 << 20


def claim(
    project: Path,
    name: str,
    identity: dict[str, Any],
    *,
    part: str | None = None,
    exist_ok: bool = False,
    resume: bool = True,
) -> RunFolder:
    """Take the first of `name`, `name2`, `name3`, … that is new, or an unfinished run of the same `identity`.

    A `part` of a run that others share is a folder in there. With `exist_ok` the first one is taken: results of an
    earlier run of this program are removed from it, and everything else in it stays. Raises OutputError when it
    cannot be written.
    """
    with output_errors(project):
        owner = owner_above(project)
        make_folders(project, owner)
        for number in count(1):
            path = project / (name if number == 1 else f"{name}{number}")
            if part is not None and (path / STATUS).exists() and not exist_ok:  # by a run that is no part
                continue
            claimed = _try(path / (part or ""), owner, identity, exist_ok=exist_ok, resume=resume)
            if claimed is not None:
                return claimed
    raise AssertionError("numbers do not end")


def start_over(folder: RunFolder) -> None:
    """Remove what an earlier attempt left in a folder that is continued. Raises OutputError."""
    with output_errors(folder.path):
        _empty(folder.tree, (*folder.left, *(path for _, path in folder.ledger.earlier)))
        folder.ledger.settle_earlier()
        descriptor = os.open(folder.path / JOURNAL, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.ftruncate(descriptor, 0)
        finally:
            os.close(descriptor)


def abandon(folder: RunFolder) -> None:
    """Close a folder, and leave nothing of the run in it; nor the folder, where nothing else is in it."""
    folder.close()
    tree = Tree(folder.path)
    with output_errors(folder.path):
        _wipe(folder.path, tree, RunStatus.claimed({}))
    for path in (folder.path, folder.path.parent):
        with suppress(OSError):
            path.rmdir()


def read_status(tree: Tree) -> RunStatus:
    """The status in a folder. Raises FileNotFoundError where there is none, ValueError for one that is not whole."""
    try:
        descriptor = tree.open(STATUS)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ValueError(f"it cannot be read: {error.strerror}") from error
    with os.fdopen(descriptor, "rb") as file:
        try:
            data = file.read(_MOST_STATUS_BYTES)
        except OSError as error:
            raise ValueError(f"it cannot be read: {error.strerror}") from error
    return RunStatus.from_json(decoded(data))


def _try(
    path: Path, owner: Owner | None, identity: dict[str, Any], *, exist_ok: bool, resume: bool
) -> RunFolder | None:
    with suppress(FileExistsError):
        make_folders(path, owner)
    if not path.is_dir():
        return None
    lock = FolderLock.take(path)
    if lock is None:
        return None
    with _released_on_error(lock):
        claimed = _open(path, lock, owner, identity, exist_ok=exist_ok, resume=resume)
    if claimed is None:
        lock.release()
    return claimed


def _open(
    path: Path, lock: FolderLock, owner: Owner | None, identity: dict[str, Any], *, exist_ok: bool, resume: bool
) -> RunFolder | None:
    tree = Tree(path, owner)
    found = _ours(tree)
    continued = bool(found and resume and found.state != "finished" and found.identity == identity)
    fresh = found is None and _is_untouched(path)
    if not (fresh or continued or exist_ok):
        if found and resume and found.state != "finished":
            _say_why_not(path, found.identity, identity)
        return None
    if found:
        with suppress(OSError):  # a run that was killed while it cleared up
            (path / DOOMED).rename(path / SCRATCH)
    if found and not continued:
        _wipe(path, tree, found)
        fresh = _is_untouched(path)
    if continued:
        empty_scratch(path, but=BEGUN)
    else:
        _mark(path, tree, owner, identity)
    make_folders(path / SCRATCH, owner)
    if (path / SCRATCH).is_symlink():
        raise InTheWayError(path, SCRATCH)
    left = found.left if found and continued else ()
    return RunFolder(path, lock, owner, continued=continued, fresh=fresh, left=left)


def _say_why_not(path: Path, theirs: dict[str, Any], ours: dict[str, Any]) -> None:
    """Tell who expects an unfinished run to be continued what it was that this one has not in common with it."""
    what = next((what for what in ours if theirs.get(what) != ours[what]), "identity")
    LOG.info(
        "%s is unfinished, but not continued, for it is of other %s (%s, there and here)",
        printable(path),
        what,
        difference(theirs.get(what), ours.get(what)),
    )


def _ours(tree: Tree) -> RunStatus | None:
    """The status of an earlier run of this program, None where none vouches for the folder."""
    try:
        return read_status(tree)
    except (FileNotFoundError, ValueError):
        return None


def _is_untouched(path: Path) -> bool:
    """Whether nothing is in a folder, or only what a run puts there before its status, without a byte in it."""
    for entry in path.iterdir():
        empty = entry.is_file() and not entry.is_symlink() and not entry.stat().st_size
        if not (entry.name in (STATUS, JOURNAL) and empty) and not (entry.name == OWNER and read_owner(path)):
            return False
    return True


def _wipe(path: Path, tree: Tree, found: RunStatus) -> None:
    """Remove all that an earlier run left, its status last: until then the same can be done again."""
    scratch = path / SCRATCH
    begun = [] if scratch.is_symlink() else read_begun(scratch / BEGUN)
    _empty(tree, (*found.left, *(result for _, result in begun)))
    empty_scratch(path)
    tree.remove(JOURNAL)
    tree.remove(STATUS)


def _empty(tree: Tree, named: tuple[str, ...]) -> None:
    """Remove every result that the journal vouches for, and what else is `named`; of folders those that are empty."""
    with suppress(FileNotFoundError):
        descriptor = tree.open(JOURNAL)
        try:
            for files in left_files(descriptor):
                for path in files:
                    tree.remove(path)
        finally:
            os.close(descriptor)
    for path in named:
        if not path.endswith("/"):
            tree.remove(path)
    for path in named:
        if path.endswith("/"):
            tree.prune(path.rstrip("/"), whole=True)


def _mark(path: Path, tree: Tree, owner: Owner | None, identity: dict[str, Any]) -> None:
    """Put an empty journal and then the first status into a folder, where nobody's stand. Raises OutputError."""
    for name in (SCRATCH, JOURNAL, STATUS):
        with suppress(FileNotFoundError):
            found = (path / name).lstat()
            if name == SCRATCH or found.st_size or not stat.S_ISREG(found.st_mode):
                raise InTheWayError(path, name)
    (path / STATUS).unlink(missing_ok=True)  # without a byte, as was just seen
    with suppress(FileExistsError):
        os.close(os.open(path / JOURNAL, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644))
    try:
        _appear_whole(path, tree, RunStatus.claimed(identity).to_text())
    except FileExistsError as error:
        raise InTheWayError(path, STATUS) from error
    for name in (JOURNAL, STATUS):
        (path / name).chmod(0o644)
        if owner:
            os.chown(path / name, *owner)


def _appear_whole(path: Path, tree: Tree, text: bytes) -> None:
    """The first status, whole from its first moment where the file system can do that. Raises OSError."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_TMPFILE | os.O_CLOEXEC, 0o644)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL):
            raise
        (path / STATUS).open("xb").close()
        (path / STATUS).write_bytes(text)
        return
    try:
        os.write(descriptor, text)
        os.link(f"/proc/self/fd/{descriptor}", STATUS, dst_dir_fd=tree.descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _released_on_error(lock: FolderLock) -> Iterator[None]:
    try:
        yield
    except BaseException:
        lock.release()
        raise
