"""What writes the results of one input, wherever their plain names are taken."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from entrypoint.results.paths import twin_path
from entrypoint.results.runfolder import InTheWayError, RunFolder
from entrypoint.values import Failure, ResultError


class Leaving:
    """Leaves results of the input `file` in a run folder: call it with a path that `result_path` made, and bytes.

    Raises OutputError, and ResultError where the place is taken by a result of another input.
    """

    def __init__(self, folder: RunFolder, file: str, *, is_twin: bool, is_own: Callable[[str], bool]) -> None:
        """`is_twin`: the file system would take its paths for another input's. `is_own`: a path is the run's."""
        self.file = file
        self._folder, self._is_twin, self._is_own = folder, is_twin, is_own

    def __call__(self, path: str, data: bytes | memoryview | Iterator[bytes]) -> None:
        """Write bytes, or pieces of them."""
        with self._of_this_input():
            self._folder.write(self.file, self.place(path), data)

    def adopt(self, made: str, path: str) -> None:
        """Make a whole file from the scratch folder a result; it is moved."""
        descriptor = os.open(made, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fchmod(descriptor, 0o644)
            self.take_over(descriptor, path)
            os.unlink(made)  # noqa: PTH108 - a path of the system's, as the folder gives it
        finally:
            os.close(descriptor)

    def take_over(self, descriptor: int, path: str) -> None:
        """Make an open file, of another run or of the scratch folder, a result."""
        with self._of_this_input():
            self._folder.adopt(self.file, descriptor, self.place(path))

    def place(self, path: str) -> str:
        """Where a result of that path really is."""
        return twin_path(path) if self._is_twin else path

    @contextmanager
    def _of_this_input(self) -> Iterator[None]:
        try:
            yield
        except InTheWayError as error:
            if not self._is_own(error.path):
                raise
            failure = Failure("not_written", f"{error.path} is the place of another input's result")
            raise ResultError(failure) from error
