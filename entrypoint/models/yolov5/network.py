"""A classic YOLOv5 detection network."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from entrypoint.models.graph import Graph
from entrypoint.models.network import Candidates, Network, Output
from entrypoint.models.yolov5 import head
from entrypoint.models.yolov5.augment import augmented


class YoloV5(Network):
    """A graph whose outputs are the maps of an anchor head, finest level first."""

    augments = True

    def __init__(self, graph: Graph, anchor_head: head.Head, names: tuple[str, ...], stride: int) -> None:
        self.graph, self.head, self.names, self.stride = graph, anchor_head, names, stride

    def candidates(self, outputs: Sequence[Output], threshold: float, multi_label: bool = False) -> Candidates:
        return head.candidates(*self.head.decode(outputs, threshold), threshold, multi_label)

    def augmented(
        self,
        pixels: NDArray[np.float32],
        run: Callable[[NDArray[np.float32]], Sequence[Output]],
        threshold: float,
        multi_label: bool = False,
    ) -> Candidates:
        found = augmented(pixels, self.stride, run, lambda maps: self.head.decode(maps, threshold))
        return head.candidates(*found, threshold, multi_label)
