"""Read what a classic YOLOv5 checkpoint pickled, without running any of it.

A checkpoint is a pickle of live objects: `models.yolo.Model`, `models.common.Conv`, `torch.nn.modules.conv.Conv2d`
and so on. Here every one of those names stands for an inert `Node`, which keeps the state it is given and does
nothing else; only tensors, and the containers that torch itself deems safe, become what they were. The network is
then built from the nodes by `entrypoint.weights.classic.build`, which checks every value it uses.

Not covered: checkpoints of the `ultralytics` package (YOLOv8 and later, yolov5u), which pickle other classes.
"""

import _compat_pickle
import pickle
import pickletools
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, ClassVar

import torch

from entrypoint.errors import NotADetectorError, UnsafeWeightsError, WeightsError
from entrypoint.weights.classic.legacy import read_legacy

_COMMON = (
    "Conv DWConv DWConvTranspose2d TransformerLayer TransformerBlock Bottleneck BottleneckCSP CrossConv C3 C3x C3TR "
    "C3SPP C3Ghost SPP SPPF Focus GhostConv GhostBottleneck Contract Expand Concat Proto Classify"
)
_YOLO = "Detect Model DetectionModel Segment SegmentationModel ClassificationModel BaseModel"
_ACTIVATIONS = "SiLU Hardswish Mish"
_TORCH_NN = {
    "activation": "SiLU Hardswish Mish ReLU ReLU6 LeakyReLU Sigmoid MultiheadAttention",
    "batchnorm": "BatchNorm2d",
    "container": "Sequential ModuleList",
    "conv": "Conv2d ConvTranspose2d",
    "dropout": "Dropout",
    "linear": "Linear Identity NonDynamicallyQuantizableLinear _LinearWithBias",
    "padding": "ZeroPad2d",
    "pooling": "MaxPool2d AdaptiveAvgPool2d",
    "upsampling": "Upsample",
}
# Training notes that travel in a checkpoint (a NumPy fitness, a path in the options) and that nothing here reads.
_IGNORED = (
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("scalar", "_reconstruct")),
    "numpy.ndarray",
    "numpy.dtype",
    "pathlib.Path",
    "pathlib.PosixPath",
    "pathlib.WindowsPath",
    "pathlib.PurePosixPath",
    "pathlib.PureWindowsPath",
    "argparse.Namespace",
    "datetime.datetime",
)


class Node:
    """An object of the checkpoint: the class name it was pickled under and the state it was given, inert."""

    pickled_name: ClassVar[str] = ""
    state: dict[str, Any]

    def __init__(self, *args: object) -> None:
        if args:
            raise pickle.UnpicklingError(f"{self.pickled_name} is called with arguments")
        self.state = {}

    def __new__(cls, *args: object) -> "Node":
        """An empty node; the arguments a pickle brings for the original class are refused by `__init__`."""
        node = super().__new__(cls)
        node.state = {}
        return node

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, dict) or not all(isinstance(key, str) for key in state):
            raise pickle.UnpicklingError(f"the state of {self.pickled_name} is not a dict of attributes")
        self.state = state


class Ignored(Node):
    """A value of the checkpoint that is not needed: takes anything, keeps nothing."""

    def __init__(self, *args: object) -> None:
        super().__init__()

    def __setstate__(self, state: object) -> None:
        pass


def _allowed() -> dict[str, type[Node]]:
    names = [f"{prefix}models.common.{name}" for prefix in ("", "yolov5.") for name in _COMMON.split()]
    names += [f"{prefix}models.yolo.{name}" for prefix in ("", "yolov5.") for name in _YOLO.split()]
    names += [f"models.experimental.{name}" for name in ("CrossConv", "GhostConv", "GhostBottleneck", "C3")]
    names += [f"utils.activations.{name}" for name in _ACTIVATIONS.split()]
    names += [f"torch.nn.modules.{module}.{name}" for module, n in _TORCH_NN.items() for name in n.split()]
    nodes = {name: _node_type(name, Node) for name in names}
    return nodes | {name: _node_type(name, Ignored) for name in _IGNORED}


def _node_type(pickled_name: str, base: type[Node]) -> type[Node]:
    plain = pickled_name.removeprefix("yolov5.")
    return type(plain.rpartition(".")[2], (base,), {"pickled_name": plain})


ALLOWED = _allowed()
"""Every class name a checkpoint may hold beside tensors and plain containers, with the inert type it becomes."""


def read_checkpoint(path: Path) -> object:
    """What the checkpoint at `path` pickled: plain containers, tensors (on the CPU) and `Node`s.

    Raises UnsafeWeightsError when it names anything outside `ALLOWED`, NotADetectorError when what it names shows
    another kind of model, WeightsError when it cannot be read.
    """
    try:
        if not zipfile.is_zipfile(path):
            return read_legacy(path, ALLOWED)
        _refuse_bomb(path)
        with (
            torch.serialization.safe_globals([(kind, name) for name, kind in ALLOWED.items()]),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except WeightsError:
        raise
    except Exception as error:
        raise _refusal(path, error) from error


def _refuse_bomb(path: Path) -> None:
    """Torch stores tensors uncompressed, so members that add up to more than the file are a trick."""
    with zipfile.ZipFile(path) as archive:
        declared = sum(member.file_size for member in archive.infolist())
    size = path.stat().st_size
    if declared > size:
        raise WeightsError(
            f"{path.name}: the archive declares {declared} bytes of contents in a file of {size}; a checkpoint that "
            "torch saved never does. Save it again with torch.save."
        )


def _refusal(path: Path, error: Exception) -> WeightsError:
    try:
        wanted = sorted(name for name in imports(path) if name not in ALLOWED and not _safe_for_torch(name))
    except Exception:  # noqa: BLE001 - the listing is a courtesy; a pickle too broken to list is merely unreadable
        wanted = []
    # torch explains itself at length; what it stumbled over stands behind these words.
    detail = (
        str(error).rpartition("WeightsUnpickler error:")[2].strip().partition("\n")[0][:200] or type(error).__name__
    )
    if not wanted:
        if isinstance(error, pickle.UnpicklingError):
            return UnsafeWeightsError(f"{path.name}: refused, and nothing in it was run: {detail}")
        return WeightsError(f"{path.name}: cannot be read as a torch checkpoint: {type(error).__name__}: {detail}")
    if any(name.startswith("ultralytics.") for name in wanted):
        return NotADetectorError(
            f"{path.name}: a checkpoint of the ultralytics package (YOLOv8 or later, or yolov5u), not of classic "
            "YOLOv5; expected weights of a YOLOv5 release or trained with its train.py."
        )
    shown = ", ".join(wanted[:20]) + (f" and {len(wanted) - 20} more" if len(wanted) > 20 else "")
    return UnsafeWeightsError(
        f"{path.name}: refused as unsafe, and nothing in it was run: it wants to import {shown}. Expected a YOLOv5 "
        "detection checkpoint, which holds only YOLOv5's and torch's own layers; use weights from a source you trust."
    )


def _safe_for_torch(name: str) -> bool:
    # torch's own listing of what its restricted loader resolves by itself.
    return name in torch._weights_only_unpickler._get_allowed_globals()


def imports(path: Path) -> set[str]:
    """Dotted names that the pickles of a torch checkpoint would import, read off their opcodes; runs nothing."""
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            return set().union(*(set(_globals(file)) for _ in range(4)))  # magic, protocol, system, object
    with zipfile.ZipFile(path) as archive:
        member = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
        with archive.open(member) as file:
            return set(_globals(file))


def _globals(file: IO[bytes]) -> Iterator[str]:
    """Names of GLOBAL and STACK_GLOBAL; for the latter, the last two strings put or fetched before it."""
    strings: list[str] = []
    memo: dict[int, str] = {}
    for opcode, argument, _ in pickletools.genops(file):
        if opcode.name in ("GLOBAL", "INST"):
            module, _, name = str(argument).partition(" ")
            yield _modern(module, name)
        elif opcode.name == "STACK_GLOBAL":
            yield _modern(*strings[-2:])
        elif "UNICODE" in opcode.name or "STRING" in opcode.name:
            strings.append(str(argument))
        elif opcode.name == "MEMOIZE" and strings:
            memo[len(memo)] = strings[-1]
        elif opcode.name in ("BINPUT", "LONG_BINPUT", "PUT") and strings and isinstance(argument, int):
            memo[argument] = strings[-1]
        elif opcode.name in ("BINGET", "LONG_BINGET", "GET") and argument in memo:
            strings.append(memo[argument])


def _modern(module: str, name: str) -> str:
    """Protocol 2 writes the names of Python 2's modules: `__builtin__` for builtins, `commands` for subprocess."""
    return f"{_compat_pickle.IMPORT_MAPPING.get(module, module)}.{name}"
