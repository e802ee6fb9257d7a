"""What a run writes: one class a format in one file here, found by being here; nothing else has a list of them.

Importing the declarations imports no library that draws or computes: what needs one imports it when it writes.
"""

import inspect
import pkgutil
from collections.abc import Collection, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from importlib import import_module

from entrypoint.errors import UsageError
from entrypoint.host.shortage import require_files
from entrypoint.results.formats.base import Format, InputFormat, RunFilesFormat, RunFormat
from entrypoint.results.paths import twin_path
from entrypoint.results.runfolder import RunFolder
from entrypoint.results.runstatus import RunStatus
from entrypoint.settings import Settings
from entrypoint.values import Record

_FILES_BESIDE = 11  # that are open while those of the whole run are


@cache
def all_formats() -> tuple[type[Format], ...]:
    """The declarations, by name, but those that draw on the shared image last."""
    found: dict[str, type[Format]] = {}
    for module in pkgutil.iter_modules(__path__):
        for _, kind in inspect.getmembers(import_module(f"{__name__}.{module.name}"), inspect.isclass):
            if issubclass(kind, Format) and "name" in vars(kind):
                found[kind.name] = kind
    return tuple(sorted(found.values(), key=lambda kind: (getattr(kind, "draws", False), kind.name)))


def input_formats() -> Iterable[type[InputFormat]]:
    """Those that leave files for each input."""
    return (kind for kind in all_formats() if issubclass(kind, InputFormat))


def result_folders() -> frozenset[str]:
    """The folders of a run folder in which results of inputs lie, however deep."""
    return frozenset(kind.folder.partition("/")[0] for kind in input_formats())


def check_names(settings: Settings) -> None:
    """Raises UsageError where `--format` names what is no format."""
    known = {kind.name for kind in all_formats()}
    unknown = [word for word in settings.format if word.removeprefix("no-") not in known]
    if unknown:
        names = ", ".join(sorted(known))
        raise UsageError(f"--format {' '.join(unknown)}: expected names of {names}, or one of them with no- before it")


def wanted(settings: Settings, names: tuple[str, ...]) -> list[Format]:
    """The formats these settings ask for, ready to write; `names`: the network's classes by id."""
    return [kind(settings, names) for kind in all_formats() if kind.is_wanted(settings)]


def require(formats: Sequence[Format]) -> None:
    """Raise UsageError or ResourceError where this machine cannot write these formats."""
    of_run = sum(len(run_files(kind)) for kind in formats)
    require_files(of_run + _FILES_BESIDE, "the files of the whole run")
    for kind in formats:
        kind.require()


def named(formats: Sequence[str], settings: Settings, names: tuple[str, ...]) -> list[Format]:
    """The formats of these names, as a status.json has them; what this version does not know is left out."""
    return [kind(settings, names) for kind in all_formats() if kind.name in formats]


def clash(file: str, other: str) -> bool:
    """Whether results of the input `file` would be in the way of another's, whose name begins with it."""
    return file != other and any(kind.is_in_the_way(file, other) for kind in input_formats())


def places(
    formats: Iterable[Format], record: Record, found: Collection[str], file: str | None = None
) -> dict[str, str]:
    """Of the paths that were `found`, those at which the formats may have left something of a record.

    For each, where that belongs once the record's input is called `file`, which has the same suffix, and where the file
    system tells case.
    """
    named = record if file is None else replace(record, file=file)
    plain: dict[str, str] = {}
    for kind in formats:
        if isinstance(kind, InputFormat):
            plain |= dict(zip(kind.places(record), kind.places(named), strict=False))
    if plain.keys() >= set(found):
        return {path: plain[path] for path in found}
    names = {twin_path(before): now for before, now in plain.items()} | plain
    return {path: names[path] for path in found if path in names}


def run_files(kind: Format) -> tuple[str, ...]:
    """The files of the whole run that a format leaves."""
    if isinstance(kind, RunFormat):
        return (kind.file,)
    return kind.files if isinstance(kind, RunFilesFormat) else ()


def write_run(formats: Iterable[Format], folder: RunFolder, records: Iterable[Record], status: RunStatus) -> None:
    """Write the files of the whole run, in one pass over all records, sorted by file. Raises OutputError.

    `status` is what is known of it when all inputs have their records.
    """
    with ExitStack() as stack:
        sinks = []
        for kind in formats:
            files = [stack.enter_context(folder.open(file)) for file in run_files(kind)]
            if isinstance(kind, RunFormat):
                sinks.append(stack.enter_context(kind.writing(files[0], status.info, folder.scratch)))
            elif isinstance(kind, RunFilesFormat):
                sinks.append(stack.enter_context(kind.writing_all(files, status, folder)))
        for record in records:
            for sink in sinks:
                sink(record)
