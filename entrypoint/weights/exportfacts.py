"""The facts of a network that an export tool wrote: an ONNX or a TorchScript file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from entrypoint.errors import WeightsError
from entrypoint.weights.classnames import class_names
from entrypoint.weights.notes import names_of, size_of, stride_of
from entrypoint.weights.onnxfile.extent import OPERATIONS
from entrypoint.weights.onnxfile.load import load_onnx
from entrypoint.weights.onnxfile.model import read_model
from entrypoint.weights.torchscript.load import read_without_values

_MOST_CLASSES = 1 << 16


def onnx_facts(path: Path) -> dict[str, Any]:
    """As `entrypoint.weights.inspect.Inspector` has them, of an ONNX file."""
    try:
        model = read_model(path)
    except WeightsError as error:
        return {"fault": str(error)}
    inputs = ", ".join(
        f"{name} {' × '.join(str(side) if isinstance(side, int) else '?' for side in sides)}"
        for name, sides in model.graph.inputs.items()
    )
    operations = {node.op for node in model.graph.nodes}
    producer = f"{model.producer} {model.producer_version}".strip()
    arrays = [values for values in model.graph.constants.values() if values.dtype.kind == "f" or values.ndim > 1]
    found = {
        "architecture": f"ONNX, opset {model.opset}, written by {producer or 'an unknown tool'}; takes {inputs}",
        "globals": tuple(sorted(operations)),
        "refused": tuple(sorted(operations - OPERATIONS)),
        "parameters": sum(values.size for values in arrays),
        "precision": ", ".join(sorted({values.dtype.name for values in arrays})) or None,
    }
    try:
        network = load_onnx(path)
        found |= {"classes": network.names, "stride": network.stride, "imgsz": network.size or network.family.imgsz}
    except WeightsError as error:
        found["fault"] = str(error)
    return _of_notes(model.metadata) | found


def torchscript_facts(path: Path) -> dict[str, Any]:
    """The same of a TorchScript file; `globals` are the operations that its code calls."""
    try:
        script, network = read_without_values(path)
    except WeightsError as error:
        return {"fault": str(error)}
    found = {"globals": script.operations, "classes": network.names, "stride": network.stride, "imgsz": network.size}
    return _of_notes(script.notes) | found


def _of_notes(notes: Mapping[str, Any]) -> dict[str, Any]:
    names = names_of(notes.get("names"))
    family = "ultralytics" if notes.get("author") == "Ultralytics" or notes.get("task") else "YOLOv5"
    texts = {key: str(notes[key])[:100] for key in ("version", "date", "task") if isinstance(notes.get(key), str)}
    return texts | {
        "family": family if notes else None,
        "classes": class_names(names, min(max(names) + 1, _MOST_CLASSES)) if names else None,
        "stride": stride_of(notes),
        "imgsz": size_of(notes.get("imgsz")),
    }
