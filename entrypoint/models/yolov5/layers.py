"""The layers of YOLOv5 v1.0 to v7.0, written from layers that they are made of.

From the published architecture (the YOLOv5 model files and its papers: CSPNet, GhostNet, SPP). What a layer is made of
comes as functions from a value of the graph to a value of it.
"""

from collections.abc import Callable, Sequence

from entrypoint.models import operations as ops
from entrypoint.models.graph import Value

Layer = Callable[[Value], Value]


def chain(x: Value, *layers: Layer) -> Value:
    """One after another; also Conv, a convolution and its activation, and DWConv."""
    for layer in layers:
        x = layer(x)
    return x


def bottleneck(x: Value, cv1: Layer, cv2: Layer, add: bool) -> Value:
    """Two convolutions with a shortcut around them where `add`; also CrossConv, whose kernels are 1×k and k×1."""
    y = cv2(cv1(x))
    return ops.add(x, y) if add else y


def bottleneck_csp(
    x: Value, cv1: Layer, cv2: Layer, cv3: Layer, cv4: Layer, m: Layer, norm: Layer, act: Layer
) -> Value:
    """Cross-stage partial block with one norm and activation over both branches (up to YOLOv5 v3.1)."""
    return cv4(act(norm(ops.concat([cv3(m(cv1(x))), cv2(x)]))))


def c3(x: Value, cv1: Layer, cv2: Layer, cv3: Layer, m: Layer) -> Value:
    """Cross-stage partial block with three convolutions; C3x, C3TR, C3SPP and C3Ghost differ only in `m`."""
    return cv3(ops.concat([m(cv1(x)), cv2(x)]))


def spp(x: Value, cv1: Layer, cv2: Layer, pools: Sequence[Layer]) -> Value:
    """Spatial pyramid pooling: the input beside its max-poolings of several sizes."""
    x = cv1(x)
    return cv2(ops.concat([x, *(pool(x) for pool in pools)]))


def sppf(x: Value, cv1: Layer, cv2: Layer, pool: Layer) -> Value:
    """SPP with one small pooling applied one, two and three times, which equals three growing ones."""
    steps = [cv1(x)]
    for _ in range(3):
        steps.append(pool(steps[-1]))
    return cv2(ops.concat(steps))


def focus(x: Value, conv: Layer) -> Value:
    """Each 2×2 block of pixels into four channel groups (top left, bottom left, top right, bottom right), convolved."""
    return conv(ops.concat([ops.every_other(x, row, column) for column in (0, 1) for row in (0, 1)]))


def ghost_conv(x: Value, cv1: Layer, cv2: Layer) -> Value:
    """Half of the channels by convolution, the other half by a cheap depthwise one from them (GhostNet)."""
    primary = cv1(x)
    return ops.concat([primary, cv2(primary)])


def ghost_bottleneck(x: Value, conv: Layer, shortcut: Layer) -> Value:
    """Ghost convolutions beside a shortcut that is itself a small network when the stride is 2 (GhostNet)."""
    return ops.add(conv(x), shortcut(x))


def transformer_layer(
    x: Value, q: Layer, k: Layer, v: Layer, attention: Callable[[Value, Value, Value], Value], fc1: Layer, fc2: Layer
) -> Value:
    """Self-attention and a linear perceptron, each with a shortcut and no layer norm. Tokens are (B, L, C)."""
    x = ops.add(x, attention(q(x), k(x), v(x)))
    return ops.add(fc2(fc1(x)), x)


def transformer_block(x: Value, conv: Layer, linear: Layer, layers: Layer) -> Value:
    """Pixels as tokens through transformer layers, with a learnt position term that is linear in the token."""
    x = conv(x)
    tokens = ops.tokens(x)
    return ops.image(layers(ops.add(tokens, linear(tokens))), x)
