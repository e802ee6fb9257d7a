"""A tensor on a GPU, as families of networks see it: they take from there only what they need."""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from entrypoint.engines.shortcut import Shortcut
from entrypoint.models.network import Cells


class OnGpu:
    """A tensor, as `entrypoint.models.network.OnDevice`."""

    def __init__(self, tensor: Tensor, joint: "JointCells | None" = None) -> None:
        """`joint` takes the cells of several outputs together; the outputs of an engine share one."""
        self.tensor, self._joint = tensor, joint or JointCells()

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.tensor.shape)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self.tensor.float().cpu().numpy()

    def cells_above(self, groups: int, channel: int, least: float) -> Cells:
        values = _by_group(self.tensor, groups)
        places = (values[:, :, channel] > least).nonzero()
        image, group, cell = places.unbind(1)
        found = values[image, group, :, cell].float()
        image, group, cell = places.T.cpu().numpy()
        return image, group, cell, found.cpu().numpy()

    def cells_of_each(self, arrays: Sequence["OnGpu"], groups: int, channel: int, least: float) -> list[Cells]:
        return self._joint(arrays, groups, channel, least)


class JointCells:
    """The cells of all outputs at once: one comparison, and one copy to the host, for a whole batch."""

    def __init__(self) -> None:
        self.shortcut, self._is_tried = Shortcut("taking all candidates of a batch in one copy"), False

    def __call__(self, arrays: Sequence[OnGpu], groups: int, channel: int, least: float) -> list[Cells]:
        def fast() -> list[Cells]:
            return self.fast([array.tensor for array in arrays], groups, channel, least)

        if self._is_tried and not self.shortcut.is_closed:
            return fast()
        expected = [array.cells_above(groups, channel, least) for array in arrays]
        if not self.shortcut.is_closed and any(len(image) for image, *_ in expected):
            self.shortcut.attempt(fast, lambda found: None if _equal(found, expected) else "it gives other candidates")
            self._is_tried = True
        return expected

    def fast(self, tensors: Sequence[Tensor], groups: int, channel: int, least: float) -> list[Cells]:
        """`cells_above` of each. The places cross as the bits of numbers beside the values."""
        levels = [_by_group(tensor, groups) for tensor in tensors]
        sides = [level.shape[3] for level in levels]
        ends = np.cumsum([groups * side for side in sides])
        sought = torch.cat([level[:, :, channel].reshape(len(level), -1) for level in levels], 1)
        image, place = (sought > least).nonzero().unbind(1)
        values = torch.empty((len(image), levels[0].shape[2]), dtype=torch.float32, device=sought.device)
        for level, side, end in zip(levels, sides, ends.tolist(), strict=True):
            within = place - (end - groups * side)
            is_here = ((within >= 0) & (place < end))[:, None]
            within = within.clamp(0, groups * side - 1)  # of other levels: read, and not taken
            here = level[image, within // side, :, within % side].float()
            values = torch.where(is_here, here, values)
        bits = torch.stack((image, place), 1).int().view(torch.float32)
        packed = torch.cat((bits, values), 1).cpu().numpy()
        image, place = packed[:, :2].view(np.int32).astype(np.int64).T
        return [
            _of_level(image, place, packed[:, 2:], int(end) - groups * side, int(end), side)
            for side, end in zip(sides, ends, strict=True)
        ]


def _by_group(tensor: Tensor, groups: int) -> Tensor:
    """(B, groups · channels, H, W) as (B, groups, channels, H · W)."""
    batch, channels, height, width = tensor.shape
    return tensor.view(batch, groups, channels // groups, height * width)


def _of_level(
    image: NDArray[np.int64], place: NDArray[np.int64], values: NDArray[np.float32], start: int, end: int, side: int
) -> Cells:
    here = np.flatnonzero((place >= start) & (place < end))
    group, cell = np.divmod(place[here] - start, side)
    return image[here], group, cell, values[here]


def _equal(found: Sequence[Cells], expected: Sequence[Cells]) -> bool:
    pairs: Iterator[Any] = chain.from_iterable(map(zip, found, expected))
    return all(np.array_equal(one, other) for one, other in pairs)
