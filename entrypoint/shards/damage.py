"""What goes wrong with one result of a part is that result's trouble: the others are taken all the same."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from entrypoint.host.shortage import raise_if_out_of_files
from entrypoint.results.runfolder import InTheWayError, RunFolder
from entrypoint.text import printable
from entrypoint.values import ResultError


@contextmanager
def noted(path: str, folder: RunFolder, note: Callable[[str], None]) -> Iterator[None]:
    """For the time of the block, what goes wrong with a result is given to `note`.

    `path` names the result, or its input, and `folder` is where it is to be. Raises OutputError when that folder is the
    trouble.
    """
    try:
        yield
    except OSError as error:
        raise_if_out_of_files(error)
        note(f"{printable(path)} cannot be read: {error.strerror}")
    except ResultError as error:
        note(f"{printable(path)}: {error}")
    except InTheWayError:
        if not folder.fresh:
            raise
        note(f"{printable(path)} is the place of another input's result")
