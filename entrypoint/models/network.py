"""What a family knows of a network of its own, beside the graph that computes it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from entrypoint.models.graph import Graph

Cells: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]
Candidates: TypeAlias = tuple[NDArray[np.int64], NDArray[np.float32]]
"""The image of each in its batch, (n,), and x1, y1, x2, y2 in pixels of the network's input, confidence in [0, 1] and
class, (n, 6)."""


class OnDevice(Protocol):
    """An array in another memory, such as a GPU's: NumPy can have all of it, or a family the little that it needs."""

    @property
    def shape(self) -> tuple[int, ...]:
        """As NumPy's arrays have it."""
        ...

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]: ...

    def cells_above(self, groups: int, channel: int, least: float) -> Cells:
        """As the function of this name gives them."""
        ...

    def cells_of_each(self, arrays: Sequence[Any], groups: int, channel: int, least: float) -> list[Cells]:
        """The same of each of these arrays, which lie where this one does."""
        ...


Output: TypeAlias = NDArray[np.float32] | OnDevice


class Network(ABC):
    """A graph and its family's knowledge of it. `names`: by class id. `stride`: sides of the input are multiples of it.

    `size`: the only (height, width) that it takes; None where any multiples of the stride do.
    """

    graph: Graph
    names: tuple[str, ...]
    stride: int
    size: tuple[int, int] | None = None
    augments: ClassVar[bool] = False
    """Whether there is augmented inference in this family."""

    @abstractmethod
    def candidates(self, outputs: Sequence[Output], threshold: float) -> Candidates:
        """What the outputs of the graph show with more confidence than `threshold`."""

    def augmented(
        self, pixels: NDArray[np.float32], run: Callable[[NDArray[np.float32]], Sequence[Output]], threshold: float
    ) -> Candidates:
        """The candidates of several looks at `pixels` (B, 3, H, W); `run` gives the outputs of the graph for one."""
        raise NotImplementedError


def cells_of_each(outputs: Sequence[Output], groups: int, channel: int, least: float) -> list[Cells]:
    """`cells_above` of each output of a network, wherever they lie."""
    if outputs and not isinstance(outputs[0], np.ndarray):
        return outputs[0].cells_of_each(outputs, groups, channel, least)
    return [cells_above(np.asarray(output), groups, channel, least) for output in outputs]


def cells_above(output: NDArray[Any], groups: int, channel: int, least: float) -> Cells:
    """Of an output (B, groups · channels, H, W): where that channel of a group is above `least`.

    Gives image, group and cell, row by row, (n,) each; and all channels of the group there, (n, channels).
    """
    batch, channels, height, width = output.shape
    values = output.reshape(batch, groups, channels // groups, height * width)
    plane, cell = np.divmod(np.flatnonzero(values[:, :, channel] > least), height * width)
    image, group = np.divmod(plane, groups)
    return image, group, cell, values[image, group, :, cell].astype(np.float32, copy=False)
