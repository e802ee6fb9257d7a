"""A file system whose files can be listed and opened, and never answer a read: as a file server that is gone."""

import ctypes
import errno
import os
import stat
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_FUSE = Path("/dev/fuse")
_LOOKUP, _GETATTR, _OPEN, _READ, _RELEASE, _INIT, _OPENDIR, _READDIR, _RELEASEDIR = 1, 3, 14, 15, 18, 26, 27, 28, 29
_FORGET, _BATCH_FORGET = 2, 42  # which want no answer
_INTERRUPT = 36  # of a question whose asker is being killed
_ROOT, _FILE, _DETACH, _DIRECT_IO = 1, 2, 2, 1
_HEADER = struct.Struct("<IIQQ")


class _Server:
    """Answers the kernel's questions about a folder that holds the file `name`, of `size` bytes."""

    def __init__(self, name: str, size: int) -> None:
        self.name, self.size = name.encode(), size
        self.reads = 0

    def answer(self, opcode: int, node: int, body: bytes) -> bytes | int | None:
        """The answer to a question, or an error number; None for no answer."""
        if opcode == _INIT:
            return struct.pack("<IIIIHHIIHHI7I", 7, 31, 1 << 16, 0, 0, 0, 1 << 16, 1, 0, 0, 0, *(0,) * 7)
        if opcode == _GETATTR:
            return struct.pack("<QII", 60, 0, 0) + self._attributes(node)
        if opcode == _LOOKUP:
            known = body.rstrip(b"\0") == self.name
            return struct.pack("<QQQQII", _FILE, 0, 60, 60, 0, 0) + self._attributes(_FILE) if known else errno.ENOENT
        if opcode in (_OPEN, _OPENDIR):
            return struct.pack("<QII", 1, _DIRECT_IO if opcode == _OPEN else 0, 0)
        if opcode == _READDIR:
            (offset,) = struct.unpack_from("<Q", body, 8)
            entry = struct.pack("<QQII", _FILE, 1, len(self.name), stat.S_IFREG >> 12) + self.name
            return b"" if offset else entry + b"\0" * (-len(entry) % 8)
        if opcode in (_RELEASE, _RELEASEDIR):
            return b""
        if opcode == _READ:
            self.reads += 1
        return None if opcode in (_READ, _FORGET, _BATCH_FORGET) else errno.ENOSYS

    def _attributes(self, node: int) -> bytes:
        mode = stat.S_IFDIR | 0o755 if node == _ROOT else stat.S_IFREG | 0o644
        size = 0 if node == _ROOT else self.size
        return struct.pack("<6Q10I", node, size, 1, 1, 1, 1, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)

    def serve(self, device: int) -> None:
        """Answer until the file system is unmounted."""
        while True:
            try:
                question = os.read(device, 1 << 18)
            except OSError as error:
                if error.errno in (errno.EINTR, errno.EAGAIN, errno.ENOENT):
                    continue
                return
            _, opcode, unique, node = _HEADER.unpack_from(question)
            if opcode == _INTERRUPT:
                (unique,) = struct.unpack_from("<Q", question, 40)
                answer: bytes | int | None = errno.EINTR
            else:
                answer = self.answer(opcode, node, question[40:])
            if answer is not None:
                data, error_number = (b"", -answer) if isinstance(answer, int) else (answer, 0)
                os.write(device, struct.pack("<IiQ", 16 + len(data), error_number, unique) + data)


@contextmanager
def dead_server(folder: Path, name: str, size: int = 5000) -> Iterator[_Server]:
    """Mount such a file system at `folder` for the time of the block; skip the test where that is not possible."""
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        device = os.open(_FUSE, os.O_RDWR)
    except OSError as error:
        pytest.skip(f"no file system can be served here: {_FUSE}: {error.strerror}")
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0".encode()
    if libc.mount(b"dead", os.fsencode(folder), b"fuse", 0, options):
        os.close(device)
        pytest.skip(f"no file system can be mounted here: {os.strerror(ctypes.get_errno())}")
    server = _Server(name, size)
    thread = threading.Thread(target=server.serve, args=(device,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        libc.umount2(os.fsencode(folder), _DETACH)
        os.close(device)
