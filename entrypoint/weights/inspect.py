"""The facts of a file of weights: what it is, without a network built from it. PyTorch is not needed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from entrypoint.errors import WeightsError
from entrypoint.sources.filetype import ONNX, TORCH, TORCH_LEGACY, TORCHSCRIPT, FileType, identify
from entrypoint.text import printable
from entrypoint.weights.facts import Facts, sha256

Inspector = Callable[[Path], dict[str, Any]]
"""From a file to those of its facts that are peculiar to its kind, by name."""


def _checkpoint(path: Path) -> dict[str, Any]:
    from entrypoint.weights.checkpointfacts import facts

    return facts(path)


def _onnx(path: Path) -> dict[str, Any]:
    from entrypoint.weights.exportfacts import onnx_facts

    return onnx_facts(path)


def _torchscript(path: Path) -> dict[str, Any]:
    from entrypoint.weights.exportfacts import torchscript_facts

    return torchscript_facts(path)


INSPECTORS: dict[FileType, Inspector] = {
    TORCH: _checkpoint,
    TORCH_LEGACY: _checkpoint,
    ONNX: _onnx,
    TORCHSCRIPT: _torchscript,
}


def inspect(path: Path) -> Facts:
    """All that is known of a file. Raises WeightsError where it cannot be read at all."""
    try:
        return facts_of(path, identify(path), sha256(path))
    except OSError as error:
        raise WeightsError(f"{printable(path)} cannot be read: {error.strerror}") from error


def facts_of(path: Path, kind: FileType, digest: str) -> Facts:
    """The facts of a file that was recognised already, whose SHA-256 is `digest`. Raises OSError."""
    inspector = INSPECTORS.get(kind)
    found = inspector(path) if inspector else {"fault": "this program does not run files of this kind"}
    return Facts(file=printable(path), kind=kind.name, size=path.stat().st_size, sha256=digest, **found)
