"""A checkpoint's nodes as plain containers, which any program may load, and back.

Such a file holds nothing but tensors, texts, numbers, lists, tuples and dicts: `torch.load(weights_only=True)` takes it
without a list of what else is allowed. A layer is a dict of its class, by name, and its state.
"""

from typing import Any

import numpy as np

from entrypoint.errors import WeightsError
from entrypoint.weights.classic.nodes import Ignored, Node
from entrypoint.weights.classic.pickledmodule import shown

MARK = "yolo-bac"
"""The key by which such a file is told from others; its value is the version of this format."""
_VERSION = 1
_CLASS, _STATE = "class", "state"
_OF_TORCH = ("_parameters", "_buffers", "_modules")
_MOST_DEPTH, _MOST_VALUES = 100, 1 << 20  # the largest models have 200,000


def plain_content(model: Node, notes: dict[str, Any]) -> dict[str, Any]:
    """What the file is to hold: the model, and notes such as the options it was trained with."""
    walk = _Walk()
    return {MARK: _VERSION, "model": walk.plain(model)} | {key: walk.plain(value) for key, value in notes.items()}


def is_plain(content: object) -> bool:
    """Whether this is what a file of this format holds."""
    return isinstance(content, dict) and MARK in content


def revived(content: dict[str, Any]) -> Node:
    """The model of such a file. Raises WeightsError for another version, or no model."""
    if content[MARK] != _VERSION:
        raise WeightsError(f"is of version {shown(content[MARK])} of this program's format; expected {_VERSION}")
    model = _Walk().revived(content.get("model"))
    if not isinstance(model, Node):
        raise WeightsError("holds no model")
    return model


class _Walk:
    """One way through the values of a file, of which a few bytes can name one a million times."""

    def __init__(self) -> None:
        self._left = _MOST_VALUES

    def plain(self, value: Any, depth: int = 0) -> Any:
        """Without what is neither plain nor a layer, such as what training left there: None stands for it."""
        self._step(depth)
        if isinstance(value, Node):
            if isinstance(value, Ignored):
                return None
            kept = {key: held for key, held in value.state.items() if key in _OF_TORCH or not key.startswith("_")}
            return {
                _CLASS: value.pickled_name,
                _STATE: {key: self.plain(held, depth + 1) for key, held in kept.items()},
            }
        if isinstance(value, dict):
            return {key: self.plain(held, depth + 1) for key, held in value.items() if type(key) in (str, int)}
        if isinstance(value, (list, tuple)):
            return type(value)(self.plain(held, depth + 1) for held in value)
        return value if isinstance(value, (str, int, float, np.ndarray)) else None

    def revived(self, value: Any, depth: int = 0) -> Any:
        """The layers as nodes again, and all else as it is."""
        self._step(depth)
        if isinstance(value, dict):
            name, state = value.get(_CLASS), value.get(_STATE)
            if len(value) == 2 and isinstance(name, str) and isinstance(state, dict):
                node = Node(name)
                node.state = {str(key): self.revived(held, depth + 1) for key, held in state.items()}
                return node
            return {key: self.revived(held, depth + 1) for key, held in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(self.revived(held, depth + 1) for held in value)
        return value

    def _step(self, depth: int) -> None:
        self._left -= 1
        if self._left < 0 or depth > _MOST_DEPTH:
            raise WeightsError(
                f"holds more than {_MOST_VALUES} values, or more than {_MOST_DEPTH} within each other, as no model does"
            )
