"""The words for what looks at a pixel's surroundings: convolutions, poolings, enlargements, padding.

As those in `entrypoint.models.operations`: values are (B, C, H, W), pairs are (vertical, horizontal), the arithmetic is
PyTorch's, and GraphError is raised where an input does not fit.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from entrypoint.models.graph import GraphError, Value
from entrypoint.models.operations import Weight, channels_and_sides

Pair = tuple[int, int]
# What computes convolutions takes channels in blocks of this many.
_BLOCK = 16
_INT64, _FLOAT = 7, 1  # ONNX's numbers for types


def convolution(
    x: Value,
    weight: Weight,
    bias: Weight | None,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Value:
    """`weight` (made, taken / groups, height, width)."""
    made, taken, *kernel = weight.shape
    channels, *sides = channels_and_sides(x, taken * groups)
    _check(weight, groups, stride, dilation)
    spots = [
        max(0, (side + 2 * pad - gap * (size - 1) - 1) // step + 1)
        for side, size, step, pad, gap in zip(sides, kernel, stride, padding, dilation, strict=True)
    ]
    # Input and output in blocks; or the columns of pixels under the kernel, where it becomes a matrix product.
    columns = max(_blocks(made), taken * math.prod(kernel))
    cost = max(math.prod(sides) * _blocks(channels), math.prod(spots) * columns)
    how = _geometry(kernel, stride, padding, dilation) | {"group": groups}
    return x.then("Conv", weight, *_given(bias), shape=(x.shape[0], made, *spots), cost=x.shape[0] * cost, **how)


def transposed_convolution(
    x: Value,
    weight: Weight,
    bias: Weight | None,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    extra: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Value:
    """`weight` (taken, made / groups, height, width); `extra` rows and columns at the end."""
    taken, made, *kernel = weight.shape
    channels, *sides = channels_and_sides(x, taken)
    _check(weight, groups, stride, dilation)
    spots = [
        max(0, (side - 1) * step - 2 * pad + gap * (size - 1) + more + 1)
        for side, size, step, pad, more, gap in zip(sides, kernel, stride, padding, extra, dilation, strict=True)
    ]
    columns = max(_blocks(channels), made * math.prod(kernel))
    cost = x.shape[0] * max(math.prod(sides) * columns, math.prod(spots) * _blocks(made * groups))
    how = _geometry(kernel, stride, padding, dilation) | {"group": groups, "output_padding": extra}
    return x.then("ConvTranspose", weight, *_given(bias), shape=(x.shape[0], made * groups, *spots), cost=cost, **how)


def max_pool(
    x: Value, kernel: Pair, stride: Pair, padding: Pair = (0, 0), dilation: Pair = (1, 1), ceil: bool = False
) -> Value:
    """`ceil`: also where the last window is cut off; but no window begins behind the image, as PyTorch has it."""
    reach = [gap * (size - 1) for gap, size in zip(dilation, kernel, strict=True)]
    too_far = any(2 * pad > span + 1 for pad, span in zip(padding, reach, strict=True))
    if too_far or min(*kernel, *stride, *dilation) < 1:
        raise GraphError(f"a pooling over {kernel} with strides {stride} and padding {padding}")
    ends: Sequence[int] = padding
    if ceil:  # rounding up is padding the end by just so much
        ends = tuple(min(span, pad + step - 1) for span, pad, step in zip(reach, padding, stride, strict=True))
    starts: Sequence[int] = padding
    if any(pad >= size for pad, size in zip((*padding, *ends), kernel * 2, strict=True)):  # more than a pooling may
        lowest = np.array(-np.inf, np.float32)
        x, starts, ends = _pad(x, (*starts, *ends), lowest), (0, 0), (0, 0)
    spots = [
        (side + start + end - span - 1) // step + 1
        for side, start, end, span, step in zip(x.shape[2:], starts, ends, reach, stride, strict=True)
    ]
    how = _geometry(kernel, stride, starts, dilation, ends)
    return x.then("MaxPool", shape=(*x.shape[:2], *spots), **how)


def upsample(x: Value, scale: float, mode: str = "nearest", align_corners: bool = False) -> Value:
    """Both sides by `scale`; `mode` nearest or bilinear."""
    channels_and_sides(x)
    shape = (*x.shape[:2], *(int(side * scale) for side in x.shape[2:]))
    if mode == "nearest" and scale % 1:  # engines round the division differently, so each pixel's source is worked out
        for axis in (2, 3):
            x = x.then("Gather", _nearest(x, axis, scale), shape=(*shape[: axis + 1], *x.shape[axis + 1 :]), axis=axis)
        return x
    how = {"mode": "nearest", "nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"}
    if mode == "bilinear":
        corners = "align_corners" if align_corners else "half_pixel"
        how = {"mode": "linear", "coordinate_transformation_mode": corners}
    return x.then("Resize", None, np.array([1, 1, scale, scale], np.float32), shape=shape, **how)


def _nearest(x: Value, axis: int, scale: float) -> Value:
    """Which row or column each one of the enlarged image is."""
    zero, one, number = (np.array(value, np.int64) for value in (0, 1, axis))
    side = x.then("Shape", shape=(4,)).then("Gather", number, shape=(), axis=0)
    real = side.then("Cast", to=_FLOAT)
    size = real.then("Mul", np.array(scale, np.float32)).then("Floor").then("Cast", to=_INT64)
    places = x.writer.add("Range", (zero, size, one), (int(x.shape[axis] * scale),)).then("Cast", to=_FLOAT)
    found = places.then("Mul", np.array(1 / scale, np.float32)).then("Floor").then("Cast", to=_INT64)
    return found.then("Min", side.then("Sub", one))


def zero_pad(x: Value, left: int, right: int, top: int, bottom: int) -> Value:
    """Zeros around."""
    return _pad(x, (top, left, bottom, right), None)


def _pad(x: Value, sides: Sequence[int], value: Weight | None) -> Value:
    channels_and_sides(x)
    top, left, bottom, right = sides
    shape = (*x.shape[:2], x.shape[2] + top + bottom, x.shape[3] + left + right)
    return x.then("Pad", np.array([0, 0, top, left, 0, 0, bottom, right], np.int64), value, shape=shape)


def _geometry(
    kernel: Sequence[int],
    stride: Pair,
    starts: Sequence[int],
    dilation: Pair,
    ends: Sequence[int] | None = None,
) -> dict[str, Any]:
    """In ONNX's words; the padding at the ends is that at the starts unless it is given."""
    pads = (*starts, *(starts if ends is None else ends))
    return {"kernel_shape": kernel, "strides": stride, "pads": pads, "dilations": dilation}


def _check(weight: Weight, groups: int, stride: Pair, dilation: Pair) -> None:
    if len(weight) % groups or min(*weight.shape, *stride, *dilation) < 1:
        raise GraphError(f"weights of {weight.shape} in {groups} groups, with strides {stride}")


def _given(bias: Weight | None) -> list[Weight]:
    return [] if bias is None else [bias]


def _blocks(channels: int) -> int:
    return -(-channels // _BLOCK) * _BLOCK
