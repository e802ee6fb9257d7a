"""What a family knows of a network of its own, beside the graph that computes it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

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


Output: TypeAlias = NDArray[np.float32] | OnDevice


@dataclass(frozen=True, slots=True)
class Family:
    """What a family's own tool does where it is told nothing else.

    `iou_thres` and `max_det` as the options of these names; `imgsz`: height and width. `whole_padding`: boxes go back
    to the image by the pixels that were really added around it and by each side's own scale, as the ultralytics package
    has it; else by half of what was to be added and one scale, as detect.py does. `nms`: whether candidates can stand
    for one object twice.
    """

    name: str
    iou_thres: float
    max_det: int
    imgsz: tuple[int, int] = (640, 640)
    whole_padding: bool = False
    nms: bool = True


YOLOV5 = Family("YOLOv5", iou_thres=0.45, max_det=1000)


class Network(ABC):
    """A graph and its family's knowledge of it. `names`: by class id. `stride`: sides of the input are multiples of it.

    `size`: the only (height, width) that it takes; None where any multiples of the stride do. `square`: whether images
    are padded to all of the height and width that are asked for, not to the smallest rectangle, as its own tool does.
    `batch`: the only number of images that it takes; None where any does. `tolerance`: how many times further apart two
    engines' outputs may be than logits in full precision.
    """

    graph: Graph
    names: tuple[str, ...]
    stride: int
    size: tuple[int, int] | None = None
    square: bool = False
    batch: int | None = None
    tolerance: float = 1
    trial: tuple[int, int] = (2, 3)
    """Height and width, in strides, of the small image that an engine is tried on, where the network takes any size."""
    script: bytes | None = None
    """A file that PyTorch runs in place of the graph: a TorchScript program that was found harmless."""
    family: Family = YOLOV5
    members: "tuple[Network, ...]" = ()
    """The networks of an ensemble, which have the graphs."""
    augments: bool = False
    """Whether there is augmented inference for it."""

    @abstractmethod
    def candidates(self, outputs: Sequence[Output], threshold: float, multi_label: bool = False) -> Candidates:
        """What the outputs of the graph show with more confidence than `threshold`.

        A box is of its best class; with `multi_label`, there is one of each class that is above the threshold.
        """

    def require(self, shape: tuple[int, ...]) -> None:  # noqa: B027 - most take any shape
        """Raise what says why the network is not to look at pixels of that shape, (B, 3, H, W)."""

    def fault(self, outputs: Sequence[Output]) -> str | None:
        """How finite outputs of the graph are not what this family's are; None where they are."""
        return None

    def augmented(
        self,
        pixels: NDArray[np.float32],
        run: Callable[[NDArray[np.float32]], Sequence[Output]],
        threshold: float,
        multi_label: bool = False,
    ) -> Candidates:
        """The candidates of several looks at `pixels` (B, 3, H, W); `run` gives the outputs of the graph for one."""
        raise NotImplementedError


def labels_of(
    scores: NDArray[np.float32], threshold: float, multi_label: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which rows of the classes' `scores`, (n, classes), are above `threshold`, and for which class.

    For its best class each, or with `multi_label` for every one that is above the threshold.
    """
    if multi_label:
        row, label = np.nonzero(scores > threshold)
        return row, label
    row = np.flatnonzero(scores.max(1) > threshold)
    return row, scores.argmax(1)[row]


def cells_above(output: Output, groups: int, channel: int, least: float) -> Cells:
    """Of an output (B, groups · channels, H, W), wherever it lies: where that channel of a group is above `least`.

    Gives image, group and cell, row by row, (n,) each; and all channels of the group there, (n, channels).
    """
    if not isinstance(output, np.ndarray):
        return output.cells_above(groups, channel, least)
    batch, channels, height, width = output.shape
    values = output.reshape(batch, groups, channels // groups, height * width)
    plane, cell = np.divmod(np.flatnonzero(values[:, :, channel] > least), height * width)
    image, group = np.divmod(plane, groups)
    return image, group, cell, values[image, group, :, cell].astype(np.float32, copy=False)
