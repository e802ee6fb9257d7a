"""Annotated pictures of a video encoded beside everything else, on a thread of their own."""

import queue
import threading
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from entrypoint.host import limits, memory
from entrypoint.results.videopiece import PieceWriter
from entrypoint.sources.look import Look

_MOST_WAITING = 4  # frames
_SHARE_OF_WAITING = 4  # of the bytes that frames may hold at each place where they wait
_CORES_A_THREAD, _MOST_THREADS = 4, 4


class VideoEncoder:
    """Encodes one piece after another. What goes wrong is raised by whatever is asked next.

    Raises OSError, ResultError and MemoryError. One thread at a time may use it.
    """

    def __init__(self, look: Look, width: int, height: int) -> None:
        """`width`, `height`: of the frames, in pixels."""
        self._look, self._width, self._height = look, width, height
        most = memory.waiting_bytes() // _SHARE_OF_WAITING // (width * height * 3)
        self._calls: queue.Queue[Callable[[], None] | None] = queue.Queue(max(1, min(_MOST_WAITING, most)))
        self._piece: PieceWriter | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="encode", daemon=True)
        with memory.starting_threads():
            self._thread.start()

    def begin(self, path: str) -> None:
        """The frames to come are for a file at `path`."""

        def begin() -> None:
            threads = max(1, min(_MOST_THREADS, limits.threads() // _CORES_A_THREAD))
            self._piece = PieceWriter(path, self._look, self._width, self._height, threads)

        self._ask(begin)

    def write(self, image: NDArray[np.uint8], pts: int) -> None:
        """The next frame (HWC uint8 BGR), which nobody changes any more; waits while many others do."""

        def write() -> None:
            if self._piece:
                self._piece.write(image, pts)

        self._ask(write)

    def end(self) -> None:
        """Wait until the file is whole."""

        def end() -> None:
            if self._piece:
                self._piece.close()
                self._piece = None

        self._ask(end)
        self._calls.join()
        self._raise_error()

    def close(self) -> None:
        """Let go of the thread, and of a file that is not whole."""
        self._error = self._error or InterruptedError()
        self._calls.put(None)
        self._thread.join()

    def _ask(self, call: Callable[[], None]) -> None:
        self._raise_error()
        self._calls.put(call)

    def _raise_error(self) -> None:
        if self._error:
            raise self._error

    def _work(self) -> None:
        while call := self._calls.get():
            try:
                if not self._error:
                    call()
            except BaseException as error:  # noqa: BLE001 - raised where it is waited for
                self._error = error
            self._calls.task_done()
        if self._piece:
            self._piece.discard()
