"""Layers of v8, which v3u and v5u share. What a layer is made of comes as functions, as in `yolov5.layers`."""

from collections.abc import Sequence

from entrypoint.models import operations as ops
from entrypoint.models.graph import Value
from entrypoint.models.ultralytics.operations import halves
from entrypoint.models.yolov5.layers import Layer


def c2f(x: Value, cv1: Layer, cv2: Layer, blocks: Sequence[Layer]) -> Value:
    """Each block reads what the one before it made, the first the second half of the channels; all are kept.

    Also C2fCIB, C2fPSA and C3k2, which have other blocks.
    """
    made = [cv1(x)]
    _, last = halves(made[0])
    for block in blocks:
        last = block(last)
        made.append(last)
    return cv2(ops.concat(made))


def c2(x: Value, cv1: Layer, cv2: Layer, m: Layer) -> Value:
    """Blocks over the first half of the channels, beside the second."""
    first, second = halves(cv1(x))
    return cv2(ops.concat([m(first), second]))


def c1(x: Value, cv1: Layer, m: Layer) -> Value:
    """Convolutions with a shortcut around all but the first."""
    y = cv1(x)
    return ops.add(m(y), y)


def rep_c3(x: Value, cv1: Layer, cv2: Layer, cv3: Layer, m: Layer) -> Value:
    """Two branches, added up."""
    return cv3(ops.add(m(cv1(x)), cv2(x)))


def sppf(x: Value, cv1: Layer, cv2: Layer, pool: Layer, times: int, add: bool) -> Value:
    """One small pooling again and again, all of it kept; with a shortcut around it where `add`."""
    steps = [cv1(x)]
    for _ in range(times):
        steps.append(pool(steps[-1]))
    y = cv2(ops.concat(steps))
    return ops.add(y, x) if add else y
