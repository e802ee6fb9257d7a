"""YOLOv5's test-time augmentation: three looks at a batch, at three sizes, one of them mirrored."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from entrypoint.models.network import Candidates, Output

_LOOKS = ((1.0, False), (0.83, True), (0.67, False))  # scale, and whether mirrored
_PAD_VALUE = 0.447  # the mean of ImageNet, as YOLOv5 pads scaled images


def augmented(
    pixels: NDArray[np.float32],
    stride: int,
    run: Callable[[NDArray[np.float32]], Sequence[Output]],
    decode: Callable[[Sequence[Output | None]], Candidates],
) -> Candidates:
    """The predictions of all looks, as `head.Head.decode` gives them, in pixels of `pixels` (B, 3, H, W).

    The full-size look drops its coarsest level and the smallest its finest, whose boxes the other looks find better
    (YOLOv5 v5.0 and later). `run` gives the head's maps, `decode` their predictions.
    """
    width = pixels.shape[3]
    images, found = [], []
    for number, (scale, mirrored) in enumerate(_LOOKS):
        look = _scaled(pixels[..., ::-1] if mirrored else pixels, scale, stride)
        maps: list[Output | None] = [*run(np.ascontiguousarray(look))]
        if number == 0:
            maps[-1] = None
        if number == len(_LOOKS) - 1:
            maps[0] = None
        if all(level is None for level in maps):  # a head of one level
            continue
        image, rows = decode(maps)
        rows[:, :4] /= scale
        if mirrored:
            rows[:, 0] = width - rows[:, 0]
        images.append(image)
        found.append(rows)
    return np.concatenate(images), np.concatenate(found)


def _scaled(x: NDArray[np.float32], scale: float, stride: int) -> NDArray[np.float32]:
    """Smaller by `scale`, padded to multiples of the stride."""
    if scale == 1:
        return x
    sides = x.shape[2:]
    inner = tuple(int(side * scale) for side in sides)
    outer = (math.ceil(side * scale / stride) * stride for side in sides)
    y = np.full((*x.shape[:2], *outer), _PAD_VALUE, np.float32)
    y[:, :, : inner[0], : inner[1]] = resized(x, inner)
    return y


def resized(x: NDArray[np.float32], size: tuple[int, ...]) -> NDArray[np.float32]:
    """(B, C, H, W) to another height and width, bilinear between the centres of pixels.

    To the last bit of PyTorch on one thread, which rounds once after each of these steps.
    """
    (above, below, down), (left, right, across) = map(_places, x.shape[2:], size)
    down, real = down[:, None], x.astype(np.float64)
    total = x[:, :, above[:, None], right] * ((1 - down) * across)
    for rows, columns, share in (
        (above, left, (1 - down) * (1 - across)),
        (below, left, down * (1 - across)),
        (below, right, down * across),
    ):
        total = (real[:, :, rows[:, None], columns] * share + total).astype(np.float32)
    return total


def _places(side: int, size: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """For each pixel of the new side: the two that it lies between, and how much it has of the second."""
    step = float(np.float32(side) / np.float32(size))
    place = ((np.arange(size) + 0.5) * step - 0.5).clip(0).astype(np.float32)
    first = place.astype(np.int64)
    return first, np.minimum(first + 1, side - 1), place - first.astype(np.float32)
