"""The facts of a PyTorch checkpoint, from its inert nodes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from entrypoint.errors import WeightsError
from entrypoint.weights.checkpoint import model_of
from entrypoint.weights.classic.nodes import ALLOWED, Node, shown_name
from entrypoint.weights.classic.pickled import imports, read_checkpoint
from entrypoint.weights.classnames import class_names, printable
from entrypoint.weights.ultralytics.names import PREFIX, other_task

_MOST_CLASSES = 1 << 16
_TASKS = {"Segment": "segmentation", "Pose": "pose"}


def facts(path: Path) -> dict[str, Any]:
    """As `entrypoint.weights.inspect.Inspector` has them: by name, those that there are."""
    try:
        names = sorted(imports(path))
    except WeightsError as error:  # an archive that torch never writes
        return {"fault": str(error)}
    found: dict[str, Any] = {
        "globals": tuple(map(shown_name, names)),
        "refused": tuple(shown_name(name) for name in names if name not in ALLOWED),
        "task": next((task for name in names if (task := other_task(name))), None),
    }
    try:
        content = read_checkpoint(path)
        model = model_of(content)
        return found | _of_content(content) | _of_model(model)
    except WeightsError as error:
        return found | {"fault": str(error)}


def _of_content(content: object) -> dict[str, Any]:
    notes = content if isinstance(content, dict) else {}
    train_args = notes.get("train_args")
    side = train_args.get("imgsz") if isinstance(train_args, dict) else None
    sides = side if isinstance(side, (list, tuple)) and len(side) == 2 else (side, side)
    texts = {key: printable(notes[key]) for key in ("version", "date") if isinstance(notes.get(key), str)}
    return texts | {"imgsz": tuple(sides) if all(type(one) is int for one in sides) else None}


def _of_model(model: Node) -> dict[str, Any]:
    nodes = list(_nodes(model))
    package = model.pickled_name.startswith(PREFIX)
    head = next((node for node in nodes if "nc" in node.state and node is not model), model)
    strides = head.state.get("stride", model.state.get("stride"))
    arrays = _arrays(nodes)
    kind = head.pickled_name.rpartition(".")[2]
    return {
        "family": "ultralytics" if package else "YOLOv5",
        "task": next((task for name, task in _TASKS.items() if kind.startswith(name)), "detection"),
        "architecture": _architecture(model),
        "classes": _classes(model, head),
        "stride": _largest(strides),
        "parameters": sum(array.size for array in arrays),
        "precision": ", ".join(sorted({array.dtype.name for array in arrays})) or None,
    }


def _largest(strides: object) -> int | None:
    if not isinstance(strides, np.ndarray) or strides.dtype.kind not in "fiu" or not strides.size:
        return None
    return int(strides.max()) if np.isfinite(strides).all() else None


def _nodes(model: Node) -> Iterator[Node]:
    """The model and all layers below it, each once."""
    seen, left = set(), [model]
    while left:
        node = left.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        modules = node.state.get("_modules")
        below = modules.values() if isinstance(modules, dict) else ()
        left += [child for child in below if isinstance(child, Node)][::-1]


def _arrays(nodes: list[Node]) -> list[np.ndarray[Any, Any]]:
    """The parameters, each once however many layers share it."""
    found = {}
    for node in nodes:
        parameters = node.state.get("_parameters")
        for array in parameters.values() if isinstance(parameters, dict) else ():
            if isinstance(array, np.ndarray):
                found[id(array)] = array
    return list(found.values())


def _architecture(model: Node) -> str:
    name = model.pickled_name.rpartition(".")[2]
    plan = model.state.get("yaml")
    file = plan.get("yaml_file") if isinstance(plan, dict) else model.state.get("yaml_file")
    return f"{name} ({printable(file)})" if isinstance(file, str) else name


def _classes(model: Node, head: Node) -> tuple[str, ...] | None:
    count = head.state.get("nc", model.state.get("nc"))
    if type(count) is not int or not 1 <= count <= _MOST_CLASSES:
        return None
    return class_names(model.state.get("names"), count)
