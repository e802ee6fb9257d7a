"""From one node to the layer it stands for: a builder for each class of the ultralytics package's detection models."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from entrypoint.models import windows
from entrypoint.models.graph import Value
from entrypoint.models.ultralytics import v8, v9, v10, v11, v12
from entrypoint.models.yolov5 import layers
from entrypoint.models.yolov5.layers import Layer
from entrypoint.weights.classic.folding import batch_norm_affine, folded
from entrypoint.weights.classic.layerbuilders import COMMON, Builder, build_layer, conv, of
from entrypoint.weights.classic.pickledmodule import PickledModule
from entrypoint.weights.ultralytics.names import CLASSIC, PREFIX

_MOST_PARTS = 32


def _children(module: PickledModule, key: str) -> list[Layer]:
    return [build_layer(child) for child in module.child(key).children()]


def _with_blocks(layer: Callable[..., Value]) -> Builder:
    """A builder of a layer that is made of `cv1`, `cv2` and a list of blocks."""

    def builder(module: PickledModule) -> Layer:
        cv1, cv2, blocks = build_layer(module.child("cv1")), build_layer(module.child("cv2")), _children(module, "m")
        return lambda x: layer(x, cv1, cv2, blocks)

    return builder


def _cib(module: PickledModule) -> Layer:
    cv1 = build_layer(module.child("cv1"))
    return lambda x: layers.bottleneck(x, cv1, layers.chain, bool(module.value("add")))


def _sppf(module: PickledModule) -> Layer:
    cv1, cv2, pool = (build_layer(module.child(key)) for key in ("cv1", "cv2", "m"))
    times, add = module.checked_int("n", module.value("n", 3)), bool(module.value("add"))
    return lambda x: v8.sppf(x, cv1, cv2, pool, times, add)


def _reparameterised(module: PickledModule) -> Layer:
    """Convolutions side by side, and maybe a batch norm alone, as the one convolution that they add up to."""
    if not module.has("conv1"):
        return conv(module)
    keys = [key for key in ("conv", "conv1", "conv2") if module.has(key)]
    branches = [module.child(key) for key in keys]
    convolutions = [branch.child("conv") for branch in branches]
    norms = [branch.child("bn") if branch.has("bn") else None for branch in branches]
    found = [folded(convolution, norm) for convolution, norm in zip(convolutions, norms, strict=True)]
    weights = [weight for weight, _ in found]
    largest = max(range(len(weights)), key=lambda number: weights[number].shape[2])
    first, (made, taken, *kernel) = convolutions[largest], weights[largest].shape
    groups, stride, padding = (first.number("groups", 1), first.pair("stride", 1), first.pair("padding", 0))
    if module.has("bn"):
        weight, shift = _identity(module, module.child("bn"), taken)
        weights.append(weight)
        found.append((weight, shift))
    if any(weight.shape[:2] != (made, taken) for weight in weights) or groups * taken < 1:
        raise module.wrong("has convolutions of different channels side by side")
    for convolution, weight in zip(convolutions, weights, strict=False):
        reach = tuple(size // 2 for size in weight.shape[2:])
        same = (convolution.number("groups", 1), convolution.pair("stride", 1)) == (groups, stride)
        if not same or convolution.pair("padding", 0) != reach or convolution.pair("dilation", 1) != (1, 1):
            raise module.wrong("has convolutions of different geometry side by side")
    weight = module.computable("weight", sum(_widened(module, one, kernel) for one in weights))  # type: ignore[arg-type]
    bias = module.computable("bias", sum(bias for _, bias in found if bias is not None))  # type: ignore[arg-type]
    act = build_layer(module.child("act")) if module.has("act") else layers.chain
    return lambda x: act(windows.convolution(x, weight, bias, stride, padding, (1, 1), groups))


def _identity(
    module: PickledModule, norm: PickledModule, taken: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A batch norm alone as a convolution of one pixel."""
    scale, shift = batch_norm_affine(norm)
    if not taken or len(scale) % taken:
        raise module.wrong("has a batch norm of other channels beside its convolutions")
    weight = np.zeros((len(scale), taken, 1, 1), np.float32)
    channels = np.arange(len(scale))
    weight[channels, channels % taken, 0, 0] = scale
    return weight, shift


def _widened(module: PickledModule, weight: NDArray[np.float32], kernel: Sequence[int]) -> NDArray[np.float32]:
    """The same kernel with zeros around."""
    rows, columns = (size - small for size, small in zip(kernel, weight.shape[2:], strict=True))
    if rows < 0 or columns < 0 or rows % 2 or columns % 2:
        raise module.wrong("has convolutions side by side whose kernels have no common centre")
    return np.pad(weight, ((0, 0), (0, 0), (rows // 2, rows // 2), (columns // 2, columns // 2)))


def _self_attention(module: PickledModule) -> Layer:
    qkv, proj, pe = (build_layer(module.child(key)) for key in ("qkv", "proj", "pe"))
    heads, key_channels = module.number("num_heads"), module.number("key_dim")
    return lambda x: v10.self_attention(x, qkv, proj, pe, heads, key_channels)


def _psa_block(module: PickledModule) -> Layer:
    attn, ffn = build_layer(module.child("attn")), build_layer(module.child("ffn"))
    return lambda x: v10.psa_block(x, attn, ffn, bool(module.value("add", True)))


def _area_attention(module: PickledModule) -> Layer:
    proj, pe, heads, areas = (
        build_layer(module.child("proj")),
        build_layer(module.child("pe")),
        module.number("num_heads"),
        module.number("area", 1),
    )
    if module.has("qkv"):
        qkv = build_layer(module.child("qkv"))
        return lambda x: v12.area_attention(x, qkv, proj, pe, heads, areas)
    qk, v = build_layer(module.child("qk")), build_layer(module.child("v"))
    return lambda x: v12.area_attention_of_the_authors(x, qk, v, proj, pe, heads, areas)


def _a2c2f(module: PickledModule) -> Layer:
    cv1, cv2, blocks = build_layer(module.child("cv1")), build_layer(module.child("cv2")), _children(module, "m")
    gamma = module.optional_array("gamma")
    if gamma is not None and gamma.ndim != 1:
        raise module.wrong("has a gamma that is no list of numbers")
    return lambda x: v12.a2c2f(x, cv1, cv2, blocks, gamma)


def _whole_numbers(module: PickledModule, key: str) -> list[int]:
    values = module.value(key)
    if not isinstance(values, (list, tuple)) or not 1 <= len(values) <= _MOST_PARTS:
        raise module.wrong(f"has no {key} of 1 to {_MOST_PARTS} whole numbers")
    return [module.checked_int(key, value, most=1 << 16) for value in values]


def _cb_linear(module: PickledModule) -> Callable[[Value], list[Value]]:
    convolution, channels = build_layer(module.child("conv")), _whole_numbers(module, "c2s")
    return lambda x: v9.cb_linear(x, convolution, channels)


def _cb_fuse(module: PickledModule) -> Callable[[list[object]], Value]:
    chosen = _whole_numbers(module, "idx")

    def layer(values: list[object]) -> Value:
        *sources, last = values
        if not isinstance(last, Value) or not all(isinstance(source, list) for source in sources):
            raise module.wrong("reads from layers that do not give what it takes")
        return v9.cb_fuse(sources, last, chosen)  # type: ignore[arg-type]

    return layer


_C2F = _with_blocks(v8.c2f)
_C3 = of(layers.c3, "cv1", "cv2", "cv3", "m")
_ELAN = of(v9.elan, "cv1", "cv2", "cv3", "cv4")
_LAYERS: dict[str, Builder] = {
    **{name: COMMON[name] for name in CLASSIC.split()},
    **dict.fromkeys(("C2f", "C2fCIB", "C2fPSA", "C3k2"), _C2F),
    **dict.fromkeys(("C3k", "RepCSP"), _C3),
    **dict.fromkeys(("RepNCSPELAN4", "ELAN1"), _ELAN),
    **dict.fromkeys(("RepConv", "RepVGGDW"), _reparameterised),
    "C1": of(v8.c1, "cv1", "m"),
    "C2": of(v8.c2, "cv1", "cv2", "m"),
    "RepC3": of(v8.rep_c3, "cv1", "cv2", "cv3", "m"),
    "SPPF": _sppf,
    "RepBottleneck": COMMON["Bottleneck"],
    "AConv": of(v9.aconv, "cv1"),
    "ADown": of(v9.adown, "cv1", "cv2"),
    "SPPELAN": of(v9.spp_elan, "cv1", "cv2", "cv3", "cv4", "cv5"),
    "CBLinear": _cb_linear,  # type: ignore[dict-item]
    "CBFuse": _cb_fuse,
    "Silence": lambda module: layers.chain,
    "CIB": _cib,
    "SCDown": of(layers.chain, "cv1", "cv2"),
    "Attention": _self_attention,
    "PSA": of(v10.psa, "cv1", "cv2", "attn", "ffn"),
    "PSABlock": _psa_block,
    "C2PSA": of(v11.c2psa, "cv1", "cv2", "m"),
    "AAttn": _area_attention,
    "ABlock": of(v12.a_block, "attn", "mlp"),
    "A2C2f": _a2c2f,
}
BUILDERS: dict[str, Builder] = {f"{PREFIX}{name}": builder for name, builder in _LAYERS.items()}
"""A builder for each layer, by the name of its node."""
