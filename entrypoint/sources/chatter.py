"""Messages that libraries in C and C++ print while they decode an image: kept from the log, and read for damage.

libjpeg and libtiff go on when they meet damaged data, and only print a warning. Inside OpenCV nothing else of it can be
reached. libjpeg prints to C's `stderr`; libtiff's words go through OpenCV's log to C++'s `std::cerr`, which writes to
that same stream. While images are decoded, the stream leads to a file in memory, and OpenCV logs warnings. File
descriptor 2, to which Python and the system write, is left alone.
"""

import ctypes
import fcntl
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import TypeVar

import cv2

T = TypeVar("T")
_DESCRIPTOR_OFFSET = 112  # of the stream's descriptor in glibc's FILE, on 64 bits
_WARNINGS = cv2.utils.logging.LOG_LEVEL_WARNING


class Chatter:
    """Calls, and the messages printed meanwhile. Several threads may use it at once."""

    def __init__(self) -> None:
        """Raises OSError, ValueError or AttributeError where the C library is not of a kind that can be redirected."""
        libc = ctypes.CDLL(None)
        libc.fileno.argtypes = (ctypes.c_void_p,)
        stream = ctypes.c_void_p.in_dll(libc, "stderr").value
        if stream is None:
            raise OSError("the C library has no stderr")
        self._descriptor = ctypes.c_int.from_address(stream + _DESCRIPTOR_OFFSET)
        self._usual = libc.fileno(stream)
        if self._descriptor.value != self._usual:
            raise OSError("the C library keeps the descriptor of stderr elsewhere")
        self._memory = os.memfd_create("chatter")
        fcntl.fcntl(self._memory, fcntl.F_SETFL, os.O_APPEND)
        self._gate = threading.Condition()
        self._calls, self._someone_alone = 0, False
        self._usual_level = cv2.utils.logging.getLogLevel()

    def beside_others(self, call: Callable[[], T]) -> tuple[T, str]:
        """Return what `call` gives, and the messages printed meanwhile, by it or by calls on other threads."""
        with self._gate:
            while self._someone_alone:
                self._gate.wait()
            self._begin()
        try:
            before = self._printed()
            return call(), self._read(before)
        finally:
            self._end()

    def alone(self, call: Callable[[], T]) -> tuple[T, str]:
        """Return what `call` gives, and the messages that it printed: all others wait for it."""
        with self._gate:
            self._gate.wait_for(lambda: not self._someone_alone)
            self._someone_alone = True
            self._gate.wait_for(lambda: not self._calls)
            self._begin()
        try:
            os.ftruncate(self._memory, 0)
            return call(), self._read(0)
        finally:
            with self._gate:
                self._someone_alone = False
                self._gate.notify_all()
            self._end()

    def _begin(self) -> None:
        if not self._calls:
            self._usual_level = cv2.utils.logging.getLogLevel()
            cv2.utils.logging.setLogLevel(max(self._usual_level, _WARNINGS))
        self._calls += 1
        self._descriptor.value = self._memory

    def _end(self) -> None:
        with self._gate:
            self._calls -= 1
            if not self._calls:
                self._descriptor.value = self._usual
                cv2.utils.logging.setLogLevel(self._usual_level)
                if self._printed():
                    os.ftruncate(self._memory, 0)
                self._gate.notify_all()

    def _printed(self) -> int:
        return os.fstat(self._memory).st_size

    def _read(self, start: int) -> str:
        length = self._printed() - start
        return os.pread(self._memory, length, start).decode("utf-8", "replace") if length else ""


@cache
def chatter() -> Chatter | None:
    """Return the one of this process; None where libraries cannot be listened to."""
    with suppress(OSError, ValueError, AttributeError):
        return Chatter()
    return None
