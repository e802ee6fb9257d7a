"""YOLOv5's test-time augmentation: three looks at a batch, at three sizes, one of them mirrored."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

_LOOKS = ((1.0, False), (0.83, True), (0.67, False))  # scale, and whether mirrored
_PAD_VALUE = 0.447  # the mean of ImageNet, as YOLOv5 pads scaled images


def augmented(
    pixels: Tensor,
    stride: int,
    look: Callable[[Tensor], list[Tensor]],
    decode: Callable[[list[Tensor | None]], tuple[NDArray[np.int64], NDArray[np.float32]]],
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The predictions of all looks, as `model.head.Detect.decode` gives them, in pixels of `pixels` (B, 3, H, W).

    The full-size look drops its coarsest level and the smallest its finest, whose boxes the other looks find better
    (YOLOv5 v5.0 and later). `look` gives the head's maps, `decode` their predictions.
    """
    width = pixels.shape[3]
    images, found = [], []
    for number, (scale, mirrored) in enumerate(_LOOKS):
        maps: list[Tensor | None] = [*look(_scaled(pixels.flip(3) if mirrored else pixels, scale, stride))]
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


def _scaled(x: Tensor, scale: float, stride: int) -> Tensor:
    """Smaller by `scale`, padded to multiples of the stride."""
    if scale == 1:
        return x
    height, width = x.shape[2:]
    size = int(height * scale), int(width * scale)
    y = functional.interpolate(x, size=size, mode="bilinear", align_corners=False)
    bottom, right = (
        math.ceil(full * scale / stride) * stride - part for full, part in zip((height, width), size, strict=True)
    )
    return functional.pad(y, (0, right, 0, bottom), value=_PAD_VALUE)
