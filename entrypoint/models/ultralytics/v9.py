"""Layers of v9 (GELAN), from its paper: aggregation over many branches, and the auxiliary ones of v9e."""

from collections.abc import Sequence

import numpy as np

from entrypoint.models import operations as ops
from entrypoint.models import windows
from entrypoint.models.graph import GraphError, Value
from entrypoint.models.ultralytics.operations import average_pool, enlarged, halves, part
from entrypoint.models.yolov5.layers import Layer


def aconv(x: Value, cv1: Layer) -> Value:
    """Half the size: averaged, then convolved."""
    return cv1(average_pool(x))


def adown(x: Value, cv1: Layer, cv2: Layer) -> Value:
    """Half the size: one half of the channels convolved, the other pooled."""
    first, second = halves(average_pool(x))
    return ops.concat([cv1(first), cv2(windows.max_pool(second, (3, 3), (2, 2), (1, 1)))])


def elan(x: Value, cv1: Layer, cv2: Layer, cv3: Layer, cv4: Layer) -> Value:
    """Two stages one after the other, with all that leads there; RepNCSPELAN4 and ELAN1 differ in these only."""
    made = cv1(x)
    _, second = halves(made)
    third = cv2(second)
    return cv4(ops.concat([made, third, cv3(third)]))


def spp_elan(x: Value, cv1: Layer, cv2: Layer, cv3: Layer, cv4: Layer, cv5: Layer) -> Value:
    """Three poolings one after the other, all of them kept."""
    steps = [cv1(x)]
    for pool in (cv2, cv3, cv4):
        steps.append(pool(steps[-1]))
    return cv5(ops.concat(steps))


def cb_linear(x: Value, conv: Layer, channels: Sequence[int]) -> list[Value]:
    """A convolution's channels, in parts of so many."""
    made = conv(x)
    ends = np.cumsum(channels).tolist()
    if not ends or ends[-1] != made.shape[1]:
        raise GraphError(f"parts of {list(channels)[:8]} channels of {made.shape[1]}")
    return [part(made, end - count, end) for count, end in zip(channels, ends, strict=True)]


def cb_fuse(sources: Sequence[Sequence[Value]], last: Value, chosen: Sequence[int]) -> Value:
    """One part of each source, enlarged to the last value's size and added to it."""
    if len(sources) != len(chosen):
        raise GraphError(f"{len(chosen)} parts of {len(sources)} sources")
    for number, parts in zip(chosen, sources, strict=True):
        if number >= len(parts):
            raise GraphError(f"part {number} of {len(parts)}")
        last = ops.add(last, enlarged(parts[number], last))
    return last
