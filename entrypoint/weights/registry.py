"""Which family's loader reads a file of weights, by what the file was recognised as.

A further family is a further entry: everything behind it sees a `Network`.
"""

from collections.abc import Callable
from pathlib import Path

from entrypoint.models.network import Network
from entrypoint.sources.filetype import ONNX, TORCH, TORCH_LEGACY, TORCHSCRIPT, FileType

Loader = Callable[[Path], Network]


def _checkpoint(path: Path) -> Network:
    from entrypoint.weights.checkpoint import load_checkpoint

    return load_checkpoint(path)


def _onnx(path: Path) -> Network:
    from entrypoint.weights.onnxfile.load import load_onnx

    return load_onnx(path)


def _torchscript(path: Path) -> Network:
    from entrypoint.weights.torchscript.load import load_torchscript

    return load_torchscript(path)


LOADERS: dict[FileType, Loader] = {
    TORCH: _checkpoint,
    TORCH_LEGACY: _checkpoint,
    ONNX: _onnx,
    TORCHSCRIPT: _torchscript,
}


def knows(kind: FileType) -> bool:
    """Whether files of this type can be loaded."""
    return kind in LOADERS


def load_network(path: Path, kind: FileType) -> Network:
    """The network in a file of that type. Raises WeightsError, with the path in the message."""
    return LOADERS[kind](path)
