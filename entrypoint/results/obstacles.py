"""What stands in the way of a run's results, looked for before the first of them is made."""

from collections.abc import Callable, Collection, Sequence
from itertools import islice

from entrypoint.results.formats import run_files
from entrypoint.results.formats.base import Format, FrameFormat, MediumFormat
from entrypoint.results.paths import twin_path
from entrypoint.results.runfolder import InTheWayError, RunFolder
from entrypoint.values import Record


def look_for_obstacles(
    folder: RunFolder,
    formats: Sequence[Format],
    files: Sequence[str],
    has_record: Callable[[int], bool],
    twins: Collection[str],
) -> None:
    """Raises InTheWayError for the first thing that stands where a result of an input without a record belongs.

    `twins`: those of the inputs `files` whose results have other names, for the file system does not tell case.
    """
    for kind in formats:
        for name in run_files(kind):
            if name not in folder.left and folder.tree.exists(name):
                raise InTheWayError(folder.path, name)
    kinds = [kind for kind in formats if isinstance(kind, (FrameFormat, MediumFormat))]
    kinds = [kind for kind in kinds if folder.tree.exists(kind.folder)]
    for index, file in enumerate(files if kinds else ()):
        for kind in kinds if not has_record(index) else ():
            for path in islice(kind.places(Record(file, 1, 1, ())), 1):
                if obstacle := folder.tree.obstacle(twin_path(path) if file in twins else path):
                    raise InTheWayError(folder.path, obstacle)
