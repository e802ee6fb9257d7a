"""Layers of v10, of which 11 and 26 have the attention."""

from entrypoint.models import operations as ops
from entrypoint.models.graph import Value
from entrypoint.models.ultralytics.operations import attention, halves, heads_apart, heads_together, part
from entrypoint.models.yolov5.layers import Layer


def self_attention(x: Value, qkv: Layer, proj: Layer, pe: Layer, heads: int, key_channels: int) -> Value:
    """Over all pixels; a head's channels are those of its query, its key and its value. `pe` tells where a pixel is."""
    apart = heads_apart(qkv(x), heads, 1)
    query, key = (part(apart, start, start + key_channels, 3) for start in (0, key_channels))
    value = part(apart, 2 * key_channels, apart.shape[3], 3)
    found = heads_together(attention(query, key, value), x)
    return proj(ops.add(found, pe(heads_together(value, x))))


def psa(x: Value, cv1: Layer, cv2: Layer, attn: Layer, ffn: Layer) -> Value:
    """Attention and two convolutions, each with a shortcut, over the second half of the channels."""
    first, second = halves(cv1(x))
    second = psa_block(second, attn, ffn, add=True)
    return cv2(ops.concat([first, second]))


def psa_block(x: Value, attn: Layer, ffn: Layer, add: bool) -> Value:
    """Attention and two convolutions, each with a shortcut where `add`."""
    for layer in (attn, ffn):
        x = ops.add(x, layer(x)) if add else layer(x)
    return x
