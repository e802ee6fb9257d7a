"""A TorchScript file of an export tool, ready to run: its code was found harmless, and its notes tell what it gives."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from entrypoint.errors import NotADetectorError
from entrypoint.models.exported import Exported, Layout, by_class, final, with_objectness
from entrypoint.models.graph import PIXELS, Graph
from entrypoint.weights.classnames import class_names
from entrypoint.weights.naming import naming
from entrypoint.weights.notes import LEAST_STRIDE, batch_of, family_of, names_of, size_of, stride_of, task_of
from entrypoint.weights.torchscript.archive import Script, read_script


def load_torchscript(path: Path) -> Exported:
    """The network in a TorchScript file of YOLOv5's export.py, or of the ultralytics package's.

    PyTorch is not asked yet: it gets the very bytes that were checked. Raises WeightsError, or one of its kinds, with
    the path in the message; and what says that memory is out.
    """
    with naming(path, "export of a detector"):
        data = path.read_bytes()
        return _network_of(read_script(io.BytesIO(data)), data)


def read_without_values(path: Path) -> tuple[Script, Exported]:
    """What a TorchScript file says, and its network, which is not to be run: its values are not read."""
    with naming(path, "export of a detector"), path.open("rb") as file:
        script = read_script(file)
        return script, _network_of(script, b"")


def _network_of(script: Script, data: bytes) -> Exported:
    notes = script.notes
    names = names_of(notes.get("names"))
    if not names:
        raise NotADetectorError(
            "does not name its classes, as YOLOv5's export.py and the ultralytics package do; bring the .pt file that "
            "it was exported from, or an ONNX export"
        )
    task = task_of(notes)
    shape = notes.get("shape")
    size = size_of(notes.get("imgsz")) if task else size_of(shape[2:]) if isinstance(shape, list) else None
    if size is None:
        raise NotADetectorError("does not say which size of images it was made for; export it again")
    arguments = notes.get("args")
    options = arguments if isinstance(arguments, Mapping) else {}
    layout = _layout(task, options, notes)
    graph = Graph({PIXELS: ("batch", 3, *size)}, outputs=["output"])
    return Exported(
        graph,
        layout,
        class_names(names, max(names) + 1),
        stride_of(notes) or LEAST_STRIDE,
        family_of(task is not None, size, layout is not final),
        size=size,
        batch=batch_of(notes),
        script=data,
    )


def _layout(task: str | None, options: Mapping[str, Any], notes: Mapping[str, Any]) -> Layout:
    if task is None:
        return with_objectness
    return final if options.get("nms") is True or notes.get("end2end") is True else by_class
