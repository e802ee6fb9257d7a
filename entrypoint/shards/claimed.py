"""A run folder for as long as what is made of other runs is written into it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from entrypoint.errors import SourceError, UsageError
from entrypoint.results.claim import abandon, claim
from entrypoint.results.runfolder import RunFolder


@contextmanager
def claimed(project: Path, name: str, identity: dict[str, Any], *, resume: bool = True) -> Iterator[RunFolder]:
    """The folder that `claim` takes, for the time of the block.

    Where a SourceError or a UsageError ends that, nothing was to be written, and nothing of the folder stays.
    """
    folder = claim(project, name, identity, resume=resume)
    try:
        yield folder
    except (SourceError, UsageError):
        abandon(folder)
        raise
    except BaseException:
        folder.close()
        raise
    folder.close()
