"""The head of the ultralytics package's families: what its maps mean. There are no anchors, and no objectness."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from entrypoint.models import operations as ops
from entrypoint.models.graph import Value
from entrypoint.models.network import Candidates, Output, cells_above, labels_of
from entrypoint.models.sigmoid import ROUNDING, logit, sigmoid
from entrypoint.models.ultralytics.operations import highest

_BEST = 0  # the channel of a cell's best class
_MOST_ROWS = 300  # of an image, from a head that needs no NMS


def level(boxes: Value, classes: Value) -> Value:
    """One level's output: the best of its classes' logits (1), the distances to the sides (4 · reg_max), the classes.

    The best stands by itself so that the few cells that matter are found without a look at all the others.
    """
    return ops.concat([highest(classes), boxes, classes])


class Head:
    """An output a level, finest first, as `level` makes them: (B, 1 + 4 · reg_max + classes, H, W).

    The distances from a cell's centre to the sides of its box are, in cells, what their `reg_max` logits expect among
    0, 1, … reg_max - 1, or as they stand where that is 1. A class's confidence is the sigmoid of its logit.
    """

    def __init__(self, strides: NDArray[np.float32], reg_max: int, *, one_to_one: bool) -> None:
        """`strides` (levels,) in pixels. `one_to_one`: trained to give each object once, so that there is no NMS."""
        self.strides, self.reg_max, self._one_to_one = strides, reg_max, one_to_one

    def decode(self, maps: Sequence[Output | None], threshold: float, multi_label: bool = False) -> Candidates:
        """The candidates whose confidence is above `threshold`; nothing else leaves a device. None skips a level.

        A cell gives its best class, with `multi_label` each above the threshold. One-to-one heads give every class in
        any case, of the 300 best cells the 300 best.
        """
        least = logit(threshold) - ROUNDING
        levels = [(number, output) for number, output in enumerate(maps) if output is not None]
        found = [cells_above(output, 1, _BEST, least) for _, output in levels]
        image, _, cell, values = map(np.concatenate, zip(*found, strict=True))
        which = np.array([(number, output.shape[3]) for number, output in levels])
        number, width = which.repeat([len(cells) for _, _, cells, _ in found], 0).T
        row, column = np.divmod(cell, width)
        centre = np.stack((column, row), 1).astype(np.float32) + np.float32(0.5)
        places = self._boxes(centre, values[:, 1 : 1 + 4 * self.reg_max]) * self.strides[number, None]
        scores = sigmoid(values[:, 1 + 4 * self.reg_max :])
        if self._one_to_one:
            cell, label = self._every_class(image, scores)
            above = scores[cell, label] > threshold
            cell, label = cell[above], label[above]
        else:
            cell, label = labels_of(scores, threshold, multi_label)
        rows = np.concatenate((places[cell], scores[cell, label, None], label[:, None]), 1, dtype=np.float32)
        return image[cell], rows

    def _boxes(self, centre: NDArray[np.float32], logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """x1, y1, x2, y2 in cells, (n, 4)."""
        distances = logits
        if self.reg_max > 1:
            split = logits.reshape(-1, 4, self.reg_max)
            shares = np.exp(split - split.max(2, keepdims=True))
            distances = shares @ np.arange(self.reg_max, dtype=np.float32) / shares.sum(2)
        return np.concatenate((centre - distances[:, :2], centre + distances[:, 2:]), 1)

    @staticmethod
    def _every_class(
        image: NDArray[np.int64], scores: NDArray[np.float32]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        cells, classes = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for number in np.unique(image):
            here = np.flatnonzero(image == number)
            here = here[np.argsort(-scores[here].max(1), kind="stable")[:_MOST_ROWS]]
            ranked = np.argsort(-scores[here].reshape(-1), kind="stable")[:_MOST_ROWS]
            cell, best = np.divmod(ranked, scores.shape[1])
            cells.append(here[cell])
            classes.append(best)
        return np.concatenate(cells), np.concatenate(classes)
