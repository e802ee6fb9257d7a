"""Operations that only these families have, in the manner of `entrypoint.models.operations`."""

import numpy as np

from entrypoint.models import operations as ops
from entrypoint.models import windows
from entrypoint.models.graph import GraphError, Value

_CHANNELS = 1


def part(x: Value, start: int, stop: int, axis: int = _CHANNELS) -> Value:
    """What lies from `start` up to `stop` along a dimension."""
    if not 0 <= start < stop <= x.shape[axis]:
        raise GraphError(f"{start} to {stop} of {x.shape[axis]} along {axis}")
    where = (np.array([number], np.int64) for number in (start, stop, axis, 1))
    return x.then("Slice", *where, shape=(*x.shape[:axis], stop - start, *x.shape[axis + 1 :]))


def halves(x: Value) -> tuple[Value, Value]:
    """The first and the second half of the channels."""
    channels = x.shape[_CHANNELS]
    if channels % 2:
        raise GraphError(f"two halves of {channels} channels")
    return part(x, 0, channels // 2), part(x, channels // 2, channels)


def average_pool(x: Value) -> Value:
    """The mean of each 2 × 2 pixels, one by one: a row and a column less."""
    shape = (*x.shape[:2], *(side - 1 for side in x.shape[2:]))
    return x.then("AveragePool", shape=shape, kernel_shape=(2, 2), strides=(1, 1), pads=(0, 0, 0, 0))


def highest(x: Value) -> Value:
    """The largest of each pixel's channels, (B, 1, H, W)."""
    return x.then("ReduceMax", shape=(x.shape[0], 1, *x.shape[2:]), axes=(_CHANNELS,), keepdims=1)


def enlarged(x: Value, like: Value) -> Value:
    """As large as another value, by repeating pixels: `like` has whole multiples of its sides."""
    (height, width), (rows, columns) = like.shape[2:], x.shape[2:]
    scale = height // rows
    if (rows * scale, columns * scale) != (height, width):
        raise GraphError(f"{rows} × {columns} pixels enlarged to {height} × {width}")
    return x if scale == 1 else windows.upsample(x, float(scale))


def heads_apart(x: Value, heads: int, areas: int) -> Value:
    """Pixels in rows, in so many areas one below the other: (B, C, H, W) to (B, areas, heads, C/heads, H·W/areas)."""
    batch, channels, height, width = x.shape
    if heads < 1 or areas < 1 or channels % heads or height * width % areas:
        raise GraphError(f"{channels} channels of {height * width} pixels for {heads} heads in {areas} areas")
    each, pixels = channels // heads, height * width // areas
    sides = np.array([0, heads, each, areas, -1], np.int64)
    return ops.transposed(x.then("Reshape", sides, shape=(batch, heads, each, areas, pixels)), 0, 3, 1, 2, 4)


def heads_together(x: Value, like: Value) -> Value:
    """Undoes `heads_apart`, to the shape of another value."""
    y = ops.transposed(x, 0, 2, 3, 1, 4)
    if y.shape[1] * y.shape[2] != like.shape[1]:
        raise GraphError(f"{y.shape[1]} heads of {y.shape[2]} channels as {like.shape[1]} channels")
    return y.then("Reshape", like.then("Shape", shape=(4,)), shape=like.shape)


def attention(query: Value, key: Value, value: Value) -> Value:
    """What each pixel takes from the others of its area, as `heads_apart` shapes them."""
    scale = np.array(query.shape[3] ** -0.5, np.float32)
    scores = ops.matmul(ops.transposed(ops.multiply(query, scale), 0, 1, 2, 4, 3), key)
    shares = ops.transposed(scores.then("Softmax", axis=-1), 0, 1, 2, 4, 3)
    return ops.matmul(value, shares)
