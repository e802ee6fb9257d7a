"""Files below a folder, reached step by step so that no link on the way leads out of it.

All paths are relative to the folder, with `/`. Each folder on the way is opened by its name in the one above, and a
link there is an error: what stands in the folder's place later does not matter to those who hold it open.
"""

import os
import stat
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from entrypoint.host import limits
from entrypoint.results.paths import parts_of

_MOST_OPEN, _SHARE = 64, 8  # folders, and one of so many files that may be open
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC

Owner = tuple[int, int]


class _Open:
    """A folder that stays open as long as somebody holds this."""

    __slots__ = ("descriptor",)

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def __del__(self) -> None:
        os.close(self.descriptor)


class Tree:
    """The files below `root`, which may itself be a link. Several threads may use it. Raises OSError."""

    def __init__(
        self, root: Path, owner: Owner | None = None, on_made: Callable[[str], None] = lambda top: None
    ) -> None:
        """Folders it makes belong to `owner`; `on_made` hears of those directly in `root`, before they are there."""
        self._root = _Open(os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        self._owner, self._on_made = owner, on_made
        self._lock = threading.Lock()
        self._removing = threading.Lock()  # held while a folder goes, and by those who need that none does
        self._forgotten = 0
        self._folders: OrderedDict[str, _Open] = OrderedDict()
        self._most_open = min(_MOST_OPEN, limits.open_files() // _SHARE)

    @property
    def descriptor(self) -> int:
        """The root, open."""
        return self._root.descriptor

    def open(self, path: str) -> int:
        """A regular file, open for reading."""
        folder, name = self._enter(path)
        descriptor = os.open(name, _FILE, dir_fd=folder.descriptor)
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return descriptor
        os.close(descriptor)
        raise OSError(0, "not a regular file", path)

    def exists(self, path: str) -> bool:
        """Whether there is anything of that name, be it a link to nothing."""
        try:
            folder, name = self._enter(path)
            os.lstat(name, dir_fd=folder.descriptor)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def link(self, source: str, path: str) -> None:
        """Give the file `source` (a path of the system's) the name `path` too, which nothing may have."""
        self._place(os.link, source, path)

    def rename(self, source: str, path: str) -> None:
        """Make `source` (a path of the system's) what is called `path`."""
        self._place(os.rename, source, path)

    def remove(self, path: str) -> None:
        """Remove a file or a link, if it is there."""
        with suppress(FileNotFoundError, NotADirectoryError):
            folder, name = self._enter(path)
            os.unlink(name, dir_fd=folder.descriptor)

    def prune(self, folder: str, *, whole: bool = False) -> None:
        """Remove `folder` if it is empty, and those above it that are then; with `whole`, those below it before."""
        with suppress(OSError):
            if whole:
                opened = self._folder(folder, make=False)
                for name in os.listdir(opened.descriptor):  # noqa: PTH208
                    if stat.S_ISDIR(os.lstat(name, dir_fd=opened.descriptor).st_mode):
                        self.prune(f"{folder}/{name}", whole=True)
            while folder:
                above, _, name = folder.rpartition("/")
                opened = self._folder(above, make=False)
                with self._removing, self._lock:  # nobody finds it among the open ones once it is gone
                    os.rmdir(name, dir_fd=opened.descriptor)
                    self._forget(folder)
                folder = above

    def obstacle(self, path: str) -> str | None:
        """What is in the way of a file called `path`: it, or the first on the way there that is no folder."""
        parts = parts_of(path)
        for depth in range(1, len(parts)):
            try:
                self._folder("/".join(parts[:depth]), make=False)
            except FileNotFoundError:
                return None
            except OSError:
                return "/".join(parts[:depth])
        return path if self.exists(path) else None

    def _place(self, act: Callable[..., None], source: str, path: str) -> None:
        try:
            folder, name = self._enter(path, make=True)
            act(source, name, dst_dir_fd=folder.descriptor)
        except FileNotFoundError:  # a folder on the way was empty, and another thread has removed it meanwhile
            with self._removing:
                with self._lock:
                    self._forget(path.rpartition("/")[0])
                folder, name = self._enter(path, make=True)
                act(source, name, dst_dir_fd=folder.descriptor)

    def _enter(self, path: str, *, make: bool = False) -> tuple[_Open, str]:
        parts_of(path)
        folder, _, name = path.rpartition("/")
        return self._folder(folder, make=make), name

    def _folder(self, folder: str, *, make: bool) -> _Open:
        if not folder:
            return self._root
        with self._lock:
            if found := self._folders.get(folder):
                self._folders.move_to_end(folder)
                return found
        here, depth, parts = self._root, 0, parts_of(folder)
        with self._lock:
            forgotten = self._forgotten
            while depth < len(parts) and (known := self._folders.get("/".join(parts[: depth + 1]))):
                here, depth = known, depth + 1
        for number in range(depth, len(parts)):
            here = self._step(here, parts[number], make=make, top=number == 0)
        with self._lock:
            if forgotten == self._forgotten:  # else it may have been removed since it was opened
                self._folders[folder] = here
            while len(self._folders) > self._most_open:
                self._folders.popitem(last=False)
        return here

    def _step(self, here: _Open, name: str, *, make: bool, top: bool) -> _Open:
        try:
            return _Open(os.open(name, _FOLDER, dir_fd=here.descriptor))
        except FileNotFoundError:
            if not make:
                raise
        if top:
            self._on_made(name)
        try:
            os.mkdir(name, dir_fd=here.descriptor)
        except FileExistsError:  # made by another thread, meanwhile
            return _Open(os.open(name, _FOLDER, dir_fd=here.descriptor))
        opened = _Open(os.open(name, _FOLDER, dir_fd=here.descriptor))
        os.fchmod(opened.descriptor, 0o755)  # whatever the umask: what publishes results must be able to enter
        if self._owner:
            os.fchown(opened.descriptor, *self._owner)
        return opened

    def _forget(self, folder: str) -> None:
        """To be called under the lock."""
        self._forgotten += 1
        for known in [known for known in self._folders if known == folder or folder.startswith(f"{known}/")]:
            del self._folders[known]


def make_folders(path: Path, owner: Owner | None) -> None:
    """`mkdir -p`; what is made can be entered by all, whatever the umask, as what publishes results wants it."""
    if path.is_dir():
        return
    if not path.parent.exists():
        make_folders(path.parent, owner)
    try:
        path.mkdir()
    except FileExistsError:  # by another process, meanwhile
        if not path.is_dir():
            raise
        return
    path.chmod(0o755)
    if owner:
        os.chown(path, *owner)


def owner_above(project: Path) -> Owner | None:
    """Who shall own the results: the owner of the folder they are put in. Only root can give files away."""
    if os.geteuid() != 0:
        return None
    there = next(folder for folder in (project, *project.absolute().parents) if folder.exists())
    found = there.stat()
    return (found.st_uid, found.st_gid) if (found.st_uid, found.st_gid) != (0, 0) else None
