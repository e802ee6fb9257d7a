"""Layers of 12: attention within areas of the image."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from entrypoint.models import operations as ops
from entrypoint.models.graph import Value
from entrypoint.models.ultralytics.operations import attention, heads_apart, heads_together, part
from entrypoint.models.yolov5.layers import Layer


def area_attention(x: Value, qkv: Layer, proj: Layer, pe: Layer, heads: int, areas: int) -> Value:
    """A head's channels are those of its query, its key and its value, a third each."""
    apart = heads_apart(qkv(x), heads, areas)
    third = apart.shape[3] // 3
    query, key, value = (part(apart, start, start + third, 3) for start in (0, third, 2 * third))
    found = heads_together(attention(query, key, value), x)
    return proj(ops.add(found, pe(heads_together(value, x))))


def area_attention_of_the_authors(
    x: Value, qk: Layer, v: Layer, proj: Layer, pe: Layer, heads: int, areas: int
) -> Value:
    """As the authors' own code has it: values by a convolution of their own; first all queries, then all keys."""
    both, values = qk(x), v(x)
    middle = both.shape[1] // 2
    query, key = (heads_apart(part(both, start, start + middle), heads, areas) for start in (0, middle))
    found = heads_together(attention(query, key, heads_apart(values, heads, areas)), values)
    return proj(ops.add(found, pe(values)))


def a_block(x: Value, attn: Layer, mlp: Layer) -> Value:
    """Attention and two convolutions, each with a shortcut."""
    x = ops.add(x, attn(x))
    return ops.add(x, mlp(x))


def a2c2f(x: Value, cv1: Layer, cv2: Layer, blocks: Sequence[Layer], gamma: NDArray[np.float32] | None) -> Value:
    """Each block reads what the one before it made; all are kept. `gamma` (C,): a shortcut, and what it is added to."""
    made = [cv1(x)]
    for block in blocks:
        made.append(block(made[-1]))
    y = cv2(ops.concat(made))
    return y if gamma is None else ops.add(x, ops.multiply(y, gamma[:, None, None]))
