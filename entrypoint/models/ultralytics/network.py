"""A detection network of the ultralytics package's families."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from entrypoint.models.graph import Graph
from entrypoint.models.network import Candidates, Family, Network, Output
from entrypoint.models.ultralytics.head import Head
from entrypoint.models.yolov5.augment import augmented


class Ultralytics(Network):
    """A graph whose outputs are the levels of a head, finest first."""

    def __init__(self, graph: Graph, head: Head, names: tuple[str, ...], stride: int, family: Family) -> None:
        self.graph, self.head, self.names, self.stride, self.family = graph, head, names, stride, family
        self.augments = family.nms

    def candidates(self, outputs: Sequence[Output], threshold: float, multi_label: bool = False) -> Candidates:
        return self.head.decode(outputs, threshold, multi_label)

    def augmented(
        self,
        pixels: NDArray[np.float32],
        run: Callable[[NDArray[np.float32]], Sequence[Output]],
        threshold: float,
        multi_label: bool = False,
    ) -> Candidates:
        def decode(maps: Sequence[Output | None]) -> Candidates:
            image, rows = self.head.decode(maps, threshold, multi_label)
            corners = rows[:, :4].copy()
            rows[:, :2], rows[:, 2:4] = (corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]
            return image, rows

        image, rows = augmented(pixels, self.stride, run, decode)
        centre, half = rows[:, :2].copy(), rows[:, 2:4] / 2
        rows[:, :2], rows[:, 2:4] = centre - half, centre + half
        return image, rows
