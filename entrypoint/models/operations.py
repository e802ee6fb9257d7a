"""The words that layers are written in: each appends one or a few operations to the graph that its input belongs to.

Values are (B, C, H, W) unless said otherwise, and the arithmetic is PyTorch's. Each raises GraphError where its input
does not fit. `entrypoint.models.windows` has the convolutions, poolings and enlargements.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from entrypoint.models.graph import GraphError, Value

Weight = NDArray[np.float32]
_LAST = np.iinfo(np.int64).max


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
    """The product with its own sigmoid."""
    return multiply(x, x.then("Sigmoid", cost=0))


def mish(x: Value) -> Value:
    """The product with the hyperbolic tangent of its own softplus."""
    return multiply(x, x.then("Softplus", cost=0).then("Tanh", cost=0))


def relu6(x: Value) -> Value:
    """Clipped to [0, 6]."""
    return x.then("Clip", np.array(0, np.float32), np.array(6, np.float32))


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
    channels, height, width = channels_and_sides(x)
    ends = [np.array(values, np.int64) for values in ((row, column), (_LAST, _LAST), (2, 3), (2, 2))]
    return x.then("Slice", *ends, shape=(x.shape[0], channels, (height + 1 - row) // 2, (width + 1 - column) // 2))


def contract(x: Value, gain: int) -> Value:
    """Blocks of gain × gain pixels into channels: (B, C, H, W) to (B, g²·C, H/g, W/g)."""
    channels, height, width = channels_and_sides(x)
    if height % gain or width % gain:
        raise GraphError(f"{height} × {width} pixels in blocks of {gain}")
    shape = (x.shape[0], channels * gain**2, height // gain, width // gain)
    return x.then("SpaceToDepth", shape=shape, blocksize=gain)


def expand(x: Value, gain: int) -> Value:
    """Channels into blocks of gain × gain pixels, undoing `contract`."""
    channels, height, width = channels_and_sides(x)
    if channels % gain**2:
        raise GraphError(f"{channels} channels in blocks of {gain}")
    shape = (x.shape[0], channels // gain**2, height * gain, width * gain)
    return x.then("DepthToSpace", shape=shape, blocksize=gain)


def tokens(x: Value) -> Value:
    """Each pixel's channels: (B, C, H, W) to (B, H·W, C)."""
    channels, height, width = channels_and_sides(x)
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


def channels_and_sides(x: Value, channels: int | None = None) -> tuple[int, int, int]:
    """Of a value that is an image, of so many channels where that is given."""
    if len(x.shape) != 4 or channels not in (None, x.shape[1]):
        wanted = "pixels" if channels is None else f"{channels} channels"
        raise GraphError(f"{wanted} expected, found {x.shape[1] if len(x.shape) == 4 else x.shape}")
    return x.shape[1], x.shape[2], x.shape[3]


def _broadcast(x: Value, other: Value | Weight) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(x.shape, other.shape)
    except ValueError as error:
        raise GraphError(f"{x.shape} and {other.shape} together") from error
