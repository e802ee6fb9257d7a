"""What libraries in C print while they decode an image: it is kept from the log, and tells of damage.

libjpeg goes on when it meets damaged data, and only prints a warning. Inside OpenCV nothing else of it can be reached,
but it prints to C's `stderr`, which is a variable: while images are decoded, that leads to a file in memory. File
descriptor 2, to which Python and the system write, is left alone.
"""

import ctypes
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import TypeVar

T = TypeVar("T")
_UNBUFFERED = 2  # _IONBF


class Chatter:
    """Calls, and what was printed meanwhile. Several threads may use it at once."""

    def __init__(self) -> None:
        """Raises OSError, ValueError or AttributeError where the C library is not of a kind that can be redirected."""
        libc = ctypes.CDLL(None)
        libc.fdopen.restype = ctypes.c_void_p
        libc.setvbuf.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t)
        self._stderr = ctypes.c_void_p.in_dll(libc, "stderr")
        self._usual = self._stderr.value
        self._memory = os.memfd_create("chatter")
        self._ours = libc.fdopen(self._memory, b"a")
        if not self._ours:
            raise OSError("the C library opens no file in memory")
        libc.setvbuf(self._ours, None, _UNBUFFERED, 0)
        self._gate = threading.Condition()
        self._calls, self._someone_alone = 0, False

    def beside_others(self, call: Callable[[], T]) -> tuple[T, bool]:
        """What `call` gives, and whether anything was printed meanwhile, by it or by a call on another thread."""
        with self._gate:
            while self._someone_alone:
                self._gate.wait()
            self._begin()
        try:
            before = self._printed()
            return call(), self._printed() > before
        finally:
            self._end()

    def alone(self, call: Callable[[], T]) -> tuple[T, str]:
        """What `call` gives, and what it printed: all others wait for it."""
        with self._gate:
            self._gate.wait_for(lambda: not self._someone_alone)
            self._someone_alone = True
            self._gate.wait_for(lambda: not self._calls)
            self._begin()
        try:
            os.ftruncate(self._memory, 0)
            result = call()
            return result, os.pread(self._memory, 1 << 16, 0).decode("utf-8", "replace")
        finally:
            with self._gate:
                self._someone_alone = False
                self._gate.notify_all()
            self._end()

    def _begin(self) -> None:
        self._calls += 1
        self._stderr.value = self._ours

    def _end(self) -> None:
        with self._gate:
            self._calls -= 1
            if not self._calls:
                self._stderr.value = self._usual
                if self._printed():
                    os.ftruncate(self._memory, 0)
                self._gate.notify_all()

    def _printed(self) -> int:
        return os.fstat(self._memory).st_size


@cache
def chatter() -> Chatter | None:
    """The one of this process; None where libraries cannot be listened to."""
    with suppress(OSError, ValueError, AttributeError):
        return Chatter()
    return None
