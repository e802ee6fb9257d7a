"""Read what a checkpoint pickled, without running any of it.

A checkpoint is a pickle of live objects: `models.yolo.Model`, `models.common.Conv`, `torch.nn.modules.conv.Conv2d`
and so on. Here every one of those names stands for an inert `Node`, which keeps the state it is given and does
nothing else; only tensors, as NumPy arrays, and plain containers become what they were. The network is then built from
the nodes by the `build` of its family, which checks every value it uses.

Whatever a file is made of, to read or to refuse it takes less than a second and 200 MB beside its tensors.

Checkpoints of the `ultralytics` package (YOLOv8 and later, yolov5u) are read in the same way.
"""

import mmap
import pickle
import zipfile
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from entrypoint.errors import NotADetectorError, UnsafeWeightsError, WeightsError
from entrypoint.sources.zipdirectory import read_directory
from entrypoint.weights.classic import opcodes
from entrypoint.weights.classic.budget import Budget
from entrypoint.weights.classic.legacy import read_legacy
from entrypoint.weights.classic.nodes import ALLOWED, Node, modern_name, shown_name
from entrypoint.weights.classic.opcodes import Buffer, walk
from entrypoint.weights.classic.zipped import Archive, read_zip
from entrypoint.weights.ultralytics.names import other_task

__all__ = ["ALLOWED", "Node", "imports", "read_checkpoint"]

_PICKLES_OF_LEGACY = 4  # magic number, protocol, system, object
_OF_OTHER_TASKS = ("ultralytics.", "torch.nn.", "torchvision.")
_SHOWN, _MOST_NAMES = 20, 1000
_MOST_READ = 300_000  # opcodes that names are read off; the largest checkpoint of YOLOv5 has 280,000


def read_checkpoint(path: Path) -> object:
    """What the checkpoint at `path` pickled: plain containers, NumPy arrays and `Node`s.

    The arrays are read-only, and views of the file where its format allows that: it must stay as it is while they are
    in use. Raises UnsafeWeightsError when it names anything outside `ALLOWED`, or costs more than any checkpoint does;
    NotADetectorError when what it names shows another kind of model, WeightsError when it cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = _mapped(file)
            budget = Budget(len(data))
            if _is_zip(data):
                return read_zip(Archive(data, read_directory(file)), budget)
            return read_legacy(data, budget)
    except (pickle.UnpicklingError, EOFError) as error:
        raise _refusal(path, error) from error
    except zipfile.BadZipFile as error:
        raise WeightsError(f"{path.name}: cannot be read as a torch checkpoint: {error}") from error
    except OSError as error:
        raise WeightsError(f"{path.name}: cannot be read: {error.strerror}") from error


def imports(path: Path) -> set[str]:
    """Dotted names that the pickles of a torch checkpoint would import, read off their opcodes; runs nothing.

    Where the opcodes cannot be read any further, or they or the names are very many, those up to there.
    """
    with path.open("rb") as file:
        data = _mapped(file)
        budget = Budget(len(data))
        budget.opcodes = min(budget.opcodes, _MOST_READ)
        source, pickles = (
            (Archive(data, read_directory(file)).pickle, 1) if _is_zip(data) else (data, _PICKLES_OF_LEGACY)
        )
    names: set[str] = set()
    try:
        for name in _imports(source, pickles, budget):
            names.add(name)
            if len(names) == _MOST_NAMES:
                break
    except (pickle.UnpicklingError, EOFError):
        pass
    return names


def _mapped(file: IO[bytes]) -> Buffer:
    """The whole file, which takes memory only where it is looked at; not every file system can do that."""
    try:
        return mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
    except (OSError, ValueError):
        return file.read()


def _is_zip(data: Buffer) -> bool:
    return data[:4] == b"PK\x03\x04"


def _imports(data: Buffer, pickles: int, budget: Budget) -> Iterator[str]:
    position = 0
    argument: Any
    for _ in range(pickles):
        top: object = None
        memo: list[object] = []
        recent: deque[str] = deque(maxlen=2)  # what STACK_GLOBAL takes its names from
        for kind, argument in walk(data, position, budget):
            if kind in (opcodes.GLOBAL, opcodes.INST):
                yield modern_name(*argument)
            elif kind == opcodes.STACK_GLOBAL and len(recent) == 2:
                yield modern_name(*recent)
            elif kind == opcodes.PUT:
                memo[argument : argument + 1] = [top]
                continue
            elif kind == opcodes.STOP:
                position = argument
            top = argument if kind == opcodes.PUSH else memo[argument] if kind == opcodes.GET else None
            if isinstance(top, str):
                recent.append(top)


def _refusal(path: Path, error: Exception) -> WeightsError:
    wanted = sorted(name for name in imports(path) if name not in ALLOWED)
    tasks = {task: name for name in wanted if (task := other_task(name))}
    if tasks and all(name.startswith(_OF_OTHER_TASKS) for name in wanted):
        task, name = min(tasks.items())
        return NotADetectorError(
            f"{path.name}: weights of the ultralytics package for {task} ({name}); expected weights that were trained "
            "for detection, such as yolo11n.pt."
        )
    if wanted:
        shown = ", ".join(map(shown_name, wanted[:_SHOWN]))
        more = f" and {len(wanted) - _SHOWN} more" if len(wanted) > _SHOWN else ""
        return UnsafeWeightsError(
            f"{path.name}: refused as unsafe, and nothing in it was run: it wants to import {shown}{more}. Expected a "
            "detection checkpoint of YOLOv5 or of the ultralytics package, which holds only their layers and torch's; "
            "use weights from a source you trust."
        )
    if isinstance(error, EOFError):
        return WeightsError(f"{path.name}: cannot be read as a torch checkpoint: {error}")
    return UnsafeWeightsError(f"{path.name}: refused, and nothing in it was run: {error}")
