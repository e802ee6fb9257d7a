"""Which folders hold results of this program's runs, so that they are never taken for a source."""

import json
import os
from collections.abc import Callable
from pathlib import Path

from entrypoint.results.ledger import SCRATCH
from entrypoint.results.runstatus import STATUS


def holds_results(project: Path) -> Callable[[str], bool]:
    """Tells whether a folder is that of a run, or of a part of one, at any depth below `project`."""
    root = os.path.realpath(project)

    def of_a_run(folder: str) -> bool:
        if not (_is_claimed(folder) or _is_status(Path(folder) / STATUS)):
            return False
        return os.path.realpath(folder).startswith(root.rstrip("/") + "/")

    return of_a_run


def _is_claimed(folder: str) -> bool:
    """Whether a run has the folder now, or was ended in it before it could clear up."""
    return os.path.isdir(f"{folder}/{SCRATCH}")  # noqa: PTH112


def _is_status(path: Path) -> bool:
    """Whether a file is a status.json of this program, and not one of the user's."""
    try:
        status = json.loads(path.read_bytes())
    except FileNotFoundError:
        return False
    except (OSError, ValueError, RecursionError):  # damaged, perhaps
        return True
    return isinstance(status, dict) and {"state", "identity", "counts"} <= status.keys()
