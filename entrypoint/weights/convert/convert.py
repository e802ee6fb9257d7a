"""Write weights in another format, and keep the file only when it computes what the original does."""

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from entrypoint import __version__
from entrypoint.engines.base import planes, trial_image
from entrypoint.engines.onnx import OnnxEngine, serve
from entrypoint.engines.protobuf import serialised, with_notes
from entrypoint.errors import NotADetectorError, OutputError, WeightsError
from entrypoint.models.graph import PIXELS, Graph
from entrypoint.models.network import Network
from entrypoint.models.ultralytics.network import Ultralytics
from entrypoint.sources.filetype import ONNX, TORCH, TORCH_LEGACY
from entrypoint.text import printable
from entrypoint.weights.checkpoint import model_of
from entrypoint.weights.classic.pickled import read_checkpoint
from entrypoint.weights.convert.decoded import decoded
from entrypoint.weights.convert.plain import plain_content
from entrypoint.weights.convert.torchfile import write
from entrypoint.weights.find import Weights
from entrypoint.weights.registry import load_network

FORMATS = {"safe-pt": ".safe.pt", "onnx": ".onnx"}
"""What weights can be written as, each with the end of its files' names."""
_NOTES = ("train_args", "version", "date")
_MOST_PIXELS, _MOST_CONFIDENCE = 0.01, 1e-4


def convert(weights: Weights, to: str, target: Path, size: tuple[int, int] | None = None) -> None:
    """Write `weights` as `to`, one of FORMATS, to `target`, which is there whole or not at all.

    `size`: the only (height, width) that an ONNX file is to take; None for any. Raises WeightsError where the weights
    have no such form, or the written file computes something else; OutputError where it cannot be written,
    or is there already.
    """
    if os.path.lexists(target):
        raise _there_already(target)
    if weights.kind not in (TORCH, TORCH_LEGACY):
        raise NotADetectorError(f"{printable(weights.path)}: only PyTorch checkpoints are converted")
    network = load_network(weights.path, weights.kind)
    if to == "onnx":
        _write(target, partial(_write_onnx, network, size))
    else:
        _write(target, partial(_write_plain, weights.path, network))


def _write(target: Path, writer: Callable[[Path], None]) -> None:
    """Have a file written beside the target, and given its name when all went well."""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name[:50]}.", dir=target.parent)
        os.close(handle)
        written = Path(name)
        try:
            writer(written)
            written.chmod(0o644)
            _name(written, target)
        finally:
            with suppress(OSError):
                written.unlink()
    except OSError as error:
        raise OutputError(f"{printable(target)} cannot be written: {error.strerror}") from error


def _name(written: Path, target: Path) -> None:
    """Give the file the target's name, which another file may have by now. Raises OSError, OutputError."""
    try:
        os.link(written, target)
    except FileExistsError:
        raise _there_already(target) from None
    except OSError:  # a file system without hard links
        written.replace(target)


def _there_already(target: Path) -> OutputError:
    return OutputError(f"{printable(target)} is there already; remove it, or name another file with --output")


def _write_plain(path: Path, network: Network, written: Path) -> None:
    content = read_checkpoint(path)
    notes = {key: content[key] for key in _NOTES if key in content} if isinstance(content, dict) else {}
    write(plain_content(model_of(content), notes), written)
    pixels = _trial(network.graph, network.stride)
    before, after = (OnnxEngine(one.graph, 1).run(pixels) for one in (network, load_network(written, TORCH)))
    if not all(map(np.array_equal, before, after)):
        raise WeightsError("the written file does not compute what the original does; it is not kept")


def _write_onnx(network: Network, size: tuple[int, int] | None, written: Path) -> None:
    if size and any(side % network.stride for side in size):
        raise WeightsError(f"{size[0]} × {size[1]} are no multiples of this network's stride, {network.stride}")
    written.write_bytes(with_notes(serialised(decoded(network, size)), _notes(network, size)))
    try:
        load_network(written, ONNX)
    except WeightsError as error:
        raise WeightsError("no ONNX file of this network is one that this program runs; it is not kept") from error
    pixels = _trial(network.graph, network.stride, size)
    _, expected = network.candidates(OnnxEngine(network.graph, 1).run(pixels), -1)
    (found,) = serve(written.read_bytes(), pixels)
    boxes, confidence = _boxes(found[0].T if isinstance(network, Ultralytics) else found[0], network)
    same = boxes.shape == expected[:, :4].shape and bool(
        np.allclose(boxes, expected[:, :4], rtol=1e-4, atol=_MOST_PIXELS)
        and np.allclose(confidence, expected[:, 4], rtol=0, atol=_MOST_CONFIDENCE)
    )
    if not same:
        raise WeightsError("the written file does not compute what the original does; it is not kept")


def _boxes(rows: NDArray[np.float32], network: Network) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Corners and the best confidence of what an exported graph gives, (N, values)."""
    centre, half = rows[:, :2], rows[:, 2:4] / 2
    scores = rows[:, 4:] if isinstance(network, Ultralytics) else rows[:, 5:] * rows[:, 4:5]
    return np.concatenate((centre - half, centre + half), 1), scores.max(1)


def _trial(graph: Graph, stride: int, size: tuple[int, int] | None = None) -> NDArray[np.float32]:
    shaped = Graph({PIXELS: (1, 3, *size)}) if size else graph
    return planes([trial_image(shaped, stride)])


def _notes(network: Network, size: tuple[int, int] | None) -> dict[str, str]:
    """What the file says of itself, in the words of the export tools and with this program's own."""
    notes = {
        "stride": str(network.stride),
        "names": repr(dict(enumerate(network.names))),
        "producer": f"yolo-bac {__version__}",
        "family": network.family.name,
    }
    if isinstance(network, Ultralytics):
        sides = list(size or network.family.imgsz)
        notes |= {"task": "detect", "imgsz": str(sides), "batch": "1", "end2end": "False", "author": "yolo-bac"}
        notes |= {"description": "an ultralytics model", "version": __version__}
    return notes
