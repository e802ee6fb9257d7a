"""A checkpoint's nodes as plain containers, which any program may load, and back.

Such a file holds nothing but tensors, texts, numbers, lists, tuples and dicts: `torch.load(weights_only=True)` takes it
without a list of what else is allowed. A layer is a dict of its class, by name, and its state.
"""

from typing import Any

import numpy as np

from entrypoint.errors import WeightsError
from entrypoint.weights.classic.nodes import Ignored, Node

MARK = "yolo-bac"
"""The key by which such a file is told from others; its value is the version of this format."""
_VERSION = 1
_CLASS, _STATE = "class", "state"
_OF_TORCH = ("_parameters", "_buffers", "_modules")
_MOST_DEPTH = 100


def plain_content(model: Node, notes: dict[str, Any]) -> dict[str, Any]:
    """What the file is to hold: the model, and notes such as the options it was trained with."""
    return {MARK: _VERSION, "model": _plain(model, 0)} | {key: _plain(value, 0) for key, value in notes.items()}


def is_plain(content: object) -> bool:
    """Whether this is what a file of this format holds."""
    return isinstance(content, dict) and MARK in content


def revived(content: dict[str, Any]) -> Node:
    """The model of such a file. Raises WeightsError for another version, or no model."""
    if content[MARK] != _VERSION:
        raise WeightsError(f"is of version {content[MARK]!r:.20} of this program's format; expected {_VERSION}")
    model = _revived(content.get("model"), 0)
    if not isinstance(model, Node):
        raise WeightsError("holds no model")
    return model


def _plain(value: Any, depth: int) -> Any:
    """Without what is neither plain nor a layer, such as what training left there: None stands for it."""
    _check(depth)
    if isinstance(value, Node):
        if isinstance(value, Ignored):
            return None
        state = {
            key: _plain(held, depth + 1)
            for key, held in value.state.items()
            if key in _OF_TORCH or not key.startswith("_")
        }
        return {_CLASS: value.pickled_name, _STATE: state}
    if isinstance(value, dict):
        return {key: _plain(held, depth + 1) for key, held in value.items() if type(key) in (str, int)}
    if isinstance(value, (list, tuple)):
        return type(value)(_plain(held, depth + 1) for held in value)
    return value if isinstance(value, (str, int, float, np.ndarray)) else None


def _revived(value: Any, depth: int) -> Any:
    _check(depth)
    if isinstance(value, dict):
        if value.keys() == {_CLASS, _STATE} and isinstance(value[_CLASS], str) and isinstance(value[_STATE], dict):
            node = Node(value[_CLASS])
            node.state = {str(key): _revived(held, depth + 1) for key, held in value[_STATE].items()}
            return node
        return {key: _revived(held, depth + 1) for key, held in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_revived(held, depth + 1) for held in value)
    return value


def _check(depth: int) -> None:
    if depth > _MOST_DEPTH:
        raise WeightsError(f"holds more than {_MOST_DEPTH} values within each other")
