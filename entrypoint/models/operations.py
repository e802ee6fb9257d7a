"""The words that layers are written in: each appends one or a few operations to the graph that its input belongs to.

Values are (B, C, H, W) unless said otherwise, pairs are (vertical, horizontal), and the arithmetic is PyTorch's. Each
raises GraphError where its input does not fit.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from entrypoint.models.graph import GraphError, Value

Weight = NDArray[np.float32]
Pair = tuple[int, int]
# What computes convolutions takes channels in blocks of this many.
_BLOCK = 16
_INT64, _FLOAT = 7, 1  # ONNX's numbers for types
_LAST = np.iinfo(np.int64).max


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
    channels, *sides = _channels_and_sides(x, taken * groups)
    if made % groups or min(*kernel, *stride, *dilation) < 1:
        raise GraphError(f"a convolution to {made} channels in {groups} groups, strides {stride}")
    spots = [
        (side + 2 * pad - gap * (size - 1) - 1) // step + 1
        for side, size, step, pad, gap in zip(sides, kernel, stride, padding, dilation, strict=True)
    ]
    # Input and output in blocks; or the columns of pixels under the kernel, where it becomes a matrix product.
    columns = max(_blocks(made), taken * math.prod(kernel))
    cost = max(math.prod(sides) * _blocks(channels), math.prod(max(0, spot) for spot in spots) * columns)
    attributes = {"kernel_shape": kernel, "strides": stride, "pads": padding * 2, "dilations": dilation}
    inputs = [weight] if bias is None else [weight, bias]
    return x.then("Conv", *inputs, shape=(x.shape[0], made, *spots), cost=x.shape[0] * cost, **attributes, group=groups)


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
    channels, *sides = _channels_and_sides(x, taken)
    if taken % groups or min(*kernel, *stride, *dilation) < 1:
        raise GraphError(f"a transposed convolution of {taken} channels in {groups} groups, strides {stride}")
    spots = [
        (side - 1) * step - 2 * pad + gap * (size - 1) + more + 1
        for side, size, step, pad, more, gap in zip(sides, kernel, stride, padding, extra, dilation, strict=True)
    ]
    columns = max(_blocks(channels), made * math.prod(kernel))
    places = math.prod(max(0, spot) for spot in spots) * _blocks(made * groups)
    cost = x.shape[0] * max(math.prod(sides) * columns, places)
    attributes = {"kernel_shape": kernel, "strides": stride, "pads": padding * 2, "dilations": dilation}
    inputs = [weight] if bias is None else [weight, bias]
    shape = (x.shape[0], made * groups, *spots)
    return x.then("ConvTranspose", *inputs, shape=shape, cost=cost, **attributes, output_padding=extra, group=groups)


def linear(x: Value, weight: Weight, bias: Weight | None) -> Value:
    """Over the last dimension; `weight` (made, taken)."""
    y = matmul(x, np.ascontiguousarray(weight.T))
    return y if bias is None else add(y, bias)


def matmul(x: Value, other: Value | Weight) -> Value:
    """The matrices in the last two dimensions, multiplied; the others alike, or none."""
    if x.shape[-1] != other.shape[-2] or (len(other.shape) > 2 and x.shape[:-2] != other.shape[:-2]):
        raise GraphError(f"a product of {x.shape} and {other.shape}")
    return x.then("MatMul", other, shape=(*x.shape[:-1], other.shape[-1]))


def add(x: Value, other: Value | Weight) -> Value:
    """The sum, broadcast."""
    return x.then("Add", other, shape=_broadcast(x, other))


def multiply(x: Value, other: Value | Weight) -> Value:
    """The product, broadcast."""
    return x.then("Mul", other, shape=_broadcast(x, other))


def silu(x: Value) -> Value:
    """X · sigmoid(x)."""
    return multiply(x, x.then("Sigmoid", cost=0))


def mish(x: Value) -> Value:
    """X · tanh(softplus(x))."""
    return multiply(x, x.then("Softplus", cost=0).then("Tanh", cost=0))


def relu6(x: Value) -> Value:
    """Clipped to [0, 6]."""
    return x.then("Clip", np.array(0, np.float32), np.array(6, np.float32))


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
    attributes = {"kernel_shape": kernel, "strides": stride, "pads": (*starts, *ends), "dilations": dilation}
    return x.then("MaxPool", shape=(*x.shape[:2], *spots), **attributes)


def upsample(x: Value, scale: float, mode: str = "nearest", align_corners: bool = False) -> Value:
    """Both sides by `scale`; `mode` nearest or bilinear."""
    _channels_and_sides(x)
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
    _channels_and_sides(x)
    top, left, bottom, right = sides
    shape = (*x.shape[:2], x.shape[2] + top + bottom, x.shape[3] + left + right)
    return x.then("Pad", np.array([0, 0, top, left, 0, 0, bottom, right], np.int64), value, shape=shape)


def concat(values: Sequence[Value], axis: int = 1) -> Value:
    """Side by side along a dimension that is not the batch."""
    first = values[0].shape
    rests = {(*value.shape[:axis], *value.shape[axis + 1 :]) for value in values}
    if not 1 <= axis < len(first) or len(rests) > 1:
        raise GraphError(f"{' and '.join(str(value.shape) for value in values)[:200]} side by side along {axis}")
    shape = (*first[:axis], sum(value.shape[axis] for value in values), *first[axis + 1 :])
    return values[0].writer.add("Concat", values, shape, axis=axis)


def every_other(x: Value, row: int, column: int) -> Value:
    """Every other row and column from these on, 0 or 1."""
    channels, height, width = _channels_and_sides(x)
    ends = [np.array(values, np.int64) for values in ((row, column), (_LAST, _LAST), (2, 3), (2, 2))]
    return x.then("Slice", *ends, shape=(x.shape[0], channels, (height + 1 - row) // 2, (width + 1 - column) // 2))


def contract(x: Value, gain: int) -> Value:
    """Blocks of gain × gain pixels into channels: (B, C, H, W) to (B, g²·C, H/g, W/g)."""
    channels, height, width = _channels_and_sides(x)
    if height % gain or width % gain:
        raise GraphError(f"{height} × {width} pixels in blocks of {gain}")
    shape = (x.shape[0], channels * gain**2, height // gain, width // gain)
    return x.then("SpaceToDepth", shape=shape, blocksize=gain)


def expand(x: Value, gain: int) -> Value:
    """Channels into blocks of gain × gain pixels, undoing `contract`."""
    channels, height, width = _channels_and_sides(x)
    if channels % gain**2:
        raise GraphError(f"{channels} channels in blocks of {gain}")
    shape = (x.shape[0], channels // gain**2, height * gain, width * gain)
    return x.then("DepthToSpace", shape=shape, blocksize=gain)


def tokens(x: Value) -> Value:
    """Each pixel's channels: (B, C, H, W) to (B, H·W, C)."""
    channels, height, width = _channels_and_sides(x)
    flat = x.then("Reshape", np.array([0, 0, -1], np.int64), shape=(x.shape[0], channels, height * width))
    return transposed(flat, 0, 2, 1)


def image(x: Value, like: Value) -> Value:
    """Undoes `tokens` of an image `like` this one."""
    y = transposed(x, 0, 2, 1)
    if math.prod(y.shape) != math.prod(like.shape):
        raise GraphError(f"{x.shape} as {like.shape}")
    return y.then("Reshape", like.then("Shape", shape=(4,)), shape=like.shape)


def attention(query: Value, key: Value, value: Value, heads: int) -> Value:
    """What each token takes from the others, head by head. All (B, L, C)."""

    def split(x: Value, *order: int) -> Value:
        batch, length, width = x.shape
        shape = (batch, length, heads, width // heads)
        return transposed(x.then("Reshape", np.array([0, 0, heads, -1], np.int64), shape=shape), *order)

    scale = np.array((query.shape[-1] // heads) ** -0.5, np.float32)
    scores = matmul(split(multiply(query, scale), 0, 2, 1, 3), split(key, 0, 2, 3, 1)).then("Softmax", axis=-1)
    found = transposed(matmul(scores, split(value, 0, 2, 1, 3)), 0, 2, 1, 3)
    return found.then("Reshape", np.array([0, 0, -1], np.int64), shape=query.shape)


def transposed(x: Value, *order: int) -> Value:
    """The dimensions in another order."""
    return x.then("Transpose", shape=tuple(x.shape[axis] for axis in order), perm=order)


def _channels_and_sides(x: Value, channels: int | None = None) -> tuple[int, int, int]:
    if len(x.shape) != 4 or channels not in (None, x.shape[1]):
        wanted = "pixels" if channels is None else f"{channels} channels"
        raise GraphError(f"{wanted} expected, found {x.shape[1] if len(x.shape) == 4 else x.shape}")
    return x.shape[1], x.shape[2], x.shape[3]


def _broadcast(x: Value, other: Value | Weight) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(x.shape, other.shape)
    except ValueError as error:
        raise GraphError(f"{x.shape} and {other.shape} together") from error


def _blocks(channels: int) -> int:
    return -(-channels // _BLOCK) * _BLOCK
