"""From one node of a checkpoint to the layer it stands for: a builder for each class name that YOLOv5 pickles.

A layer is a function that writes itself into a graph, behind the value it is given. Attributes that a newer torch or
YOLOv5 added since the checkpoint was made get their defaults here, so that old pickles need no repair afterwards.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from entrypoint.models import operations as ops
from entrypoint.models import windows
from entrypoint.models.graph import GraphError, Value
from entrypoint.models.yolov5 import layers
from entrypoint.models.yolov5.layers import Layer
from entrypoint.weights.classic.folding import batch_norm_affine, check_bias, folded
from entrypoint.weights.classic.pickledmodule import PickledModule, shown

Builder: TypeAlias = Callable[[PickledModule], Callable[..., Value]]


def build_layer(module: PickledModule) -> Callable[..., Value]:
    """The layer a node stands for. Raises WeightsError for one that detection models do not have.

    So does the layer, by its name, where what it is given does not fit, or it would make far too much of it.
    """
    builder = _BUILDERS.get(module.name) or _of_the_package().get(module.name)
    if builder is None:
        raise module.wrong("is not a layer of a YOLO detection model")
    layer = builder(module)

    def named(*inputs: Any) -> Value:
        try:
            return layer(*inputs)
        except GraphError as error:
            what = str(error)
            raise module.wrong(
                what if what.startswith("makes") else f"and the layers before it do not fit together: {what}"
            ) from error

    return named


def _of_the_package() -> Mapping[str, Builder]:
    from entrypoint.weights.ultralytics.builders import BUILDERS  # which are made of these

    return BUILDERS


def of(layer: Callable[..., Value], *keys: str) -> Callable[[PickledModule], Layer]:
    """A builder of a layer that is made of its node's layers of these names."""

    def builder(module: PickledModule) -> Layer:
        modules = _parts(module, *keys)
        return lambda x: layer(x, *modules)

    return builder


def _parts(module: PickledModule, *keys: str) -> list[Layer]:
    return [build_layer(module.child(key)) for key in keys]


def _plain(layer: Layer) -> Callable[[PickledModule], Layer]:
    """A builder of a layer that has nothing of its own."""
    return lambda module: layer


def _convolution(module: PickledModule, norm: PickledModule | None = None) -> Layer:
    weight, bias = folded(module, norm)
    geometry = module.pair("stride", 1), module.pair("padding", 0), module.pair("dilation", 1)
    groups = module.number("groups", 1)
    return lambda x: windows.convolution(x, weight, bias, *geometry, groups)


def _transposed_convolution(module: PickledModule) -> Layer:
    weight, bias, groups = module.array("weight", 4), module.optional_array("bias"), module.number("groups", 1)
    if groups < 1:
        raise module.wrong("has no groups")
    check_bias(module, bias, weight.shape[1] * groups)
    geometry = module.pair("stride", 1), module.pair("padding", 0), module.pair("output_padding", 0)
    return lambda x: windows.transposed_convolution(x, weight, bias, *geometry, module.pair("dilation", 1), groups)


def _linear(module: PickledModule) -> Layer:
    weight, bias = module.array("weight", 2), module.optional_array("bias")
    check_bias(module, bias, len(weight))
    return lambda x: ops.linear(x, weight, bias)


def _batch_norm(module: PickledModule) -> Layer:
    scale, shift = (values[:, None, None] for values in batch_norm_affine(module))
    return lambda x: ops.add(ops.multiply(x, scale), shift)


def conv(module: PickledModule) -> Layer:
    """A convolution, its batch norm unless that was folded into it, and its activation."""
    convolved = _convolution(module.child("conv"), module.child("bn") if module.has("bn") else None)
    if not module.has("act"):
        return convolved
    act = build_layer(module.child("act"))
    return lambda x: layers.chain(x, convolved, act)


def _bottleneck(module: PickledModule) -> Layer:
    cv1, cv2 = _parts(module, "cv1", "cv2")
    return lambda x: layers.bottleneck(x, cv1, cv2, bool(module.value("add")))


def _spp(module: PickledModule) -> Layer:
    cv1, cv2 = _parts(module, "cv1", "cv2")
    pools = [build_layer(pool) for pool in module.child("m").children()]
    return lambda x: layers.spp(x, cv1, cv2, pools)


def _transformer_block(module: PickledModule) -> Layer:
    conv = build_layer(module.child("conv")) if module.has("conv") else layers.chain
    linear, tr = _parts(module, "linear", "tr")
    return lambda x: layers.transformer_block(x, conv, linear, tr)


def _attention(module: PickledModule) -> Callable[[Value, Value, Value], Value]:
    weight, bias = module.array("in_proj_weight", 2), module.optional_array("in_proj_bias")
    out, heads = build_layer(module.child("out_proj")), module.number("num_heads")
    width = weight.shape[1]
    if len(weight) != 3 * width or heads < 1 or width % heads:
        raise module.wrong("has an attention whose sizes do not match")
    check_bias(module, bias, len(weight))
    weights, biases = np.split(weight, 3), [None] * 3 if bias is None else np.split(bias, 3)

    def attention(*inputs: Value) -> Value:
        query, key, value = map(ops.linear, inputs, weights, biases)
        return out(ops.attention(query, key, value, heads))

    return attention


def _sequential(module: PickledModule) -> Layer:
    modules = [build_layer(child) for child in module.children()]
    return lambda x: layers.chain(x, *modules)


def _upsample(module: PickledModule) -> Layer:
    scale, mode = module.value("scale_factor"), module.value("mode", "nearest")
    scale = scale[0] if isinstance(scale, tuple) and scale else scale
    if not isinstance(scale, (int, float)) or not 1 <= scale <= 4 or mode not in ("nearest", "bilinear"):
        raise module.wrong(f"scales by {shown(scale)} with {shown(mode)}, expected 1 to 4 with nearest or bilinear")
    return lambda x: windows.upsample(x, float(scale), mode, bool(module.value("align_corners")))


def _max_pool(module: PickledModule) -> Layer:
    kernel = module.pair("kernel_size")
    stride = kernel if module.value("stride") is None else module.pair("stride")
    padding, dilation, ceil = module.pair("padding", 0), module.pair("dilation", 1), bool(module.value("ceil_mode"))
    return lambda x: windows.max_pool(x, kernel, stride, padding, dilation, ceil)


def _zero_pad(module: PickledModule) -> Layer:
    padding = module.value("padding")
    if not isinstance(padding, (tuple, list)) or len(padding) != 4:
        raise module.wrong("has no padding of four sides")
    sides = [module.checked_int("padding", side) for side in padding]
    return lambda x: windows.zero_pad(x, *sides)


def _gain(operation: Callable[[Value, int], Value]) -> Callable[[PickledModule], Layer]:
    def builder(module: PickledModule) -> Layer:
        gain = module.number("gain")
        if not 1 <= gain <= 16:
            raise module.wrong(f"has gain {gain}, expected 1 to 16")
        return lambda x: operation(x, gain)

    return builder


def _leaky_relu(module: PickledModule) -> Layer:
    slope = module.real("negative_slope", 0.01)
    return lambda x: x.then("LeakyRelu", alpha=slope)


def _concat(module: PickledModule) -> Callable[[list[Value]], Value]:
    axis = module.number("d", 1)
    return lambda values: ops.concat(values, axis)


_C3 = ("C3", "C3x", "C3TR", "C3SPP", "C3Ghost")
COMMON: dict[str, Builder] = {
    **dict.fromkeys(("Conv", "DWConv"), conv),
    "DWConvTranspose2d": _transposed_convolution,
    **dict.fromkeys(("Bottleneck", "CrossConv"), _bottleneck),
    "BottleneckCSP": of(layers.bottleneck_csp, "cv1", "cv2", "cv3", "cv4", "m", "bn", "act"),
    **dict.fromkeys(_C3, of(layers.c3, "cv1", "cv2", "cv3", "m")),
    "SPP": _spp,
    "SPPF": of(layers.sppf, "cv1", "cv2", "m"),
    "Focus": of(layers.focus, "conv"),
    "GhostConv": of(layers.ghost_conv, "cv1", "cv2"),
    "GhostBottleneck": of(layers.ghost_bottleneck, "conv", "shortcut"),
    "TransformerLayer": of(layers.transformer_layer, "q", "k", "v", "ma", "fc1", "fc2"),
    "TransformerBlock": _transformer_block,
    "Contract": _gain(ops.contract),
    "Expand": _gain(ops.expand),
    "Concat": _concat,
}
_ACTIVATIONS = {"SiLU": _plain(ops.silu), "Hardswish": _plain(lambda x: x.then("HardSwish")), "Mish": _plain(ops.mish)}
_TORCH: dict[str, Builder] = {
    **{f"activation.{name}": builder for name, builder in _ACTIVATIONS.items()},
    "activation.ReLU": _plain(lambda x: x.then("Relu")),
    "activation.ReLU6": _plain(ops.relu6),
    "activation.LeakyReLU": _leaky_relu,
    "activation.Sigmoid": _plain(lambda x: x.then("Sigmoid")),
    "activation.MultiheadAttention": _attention,
    **dict.fromkeys(("batchnorm.BatchNorm2d", "batchnorm.SyncBatchNorm"), _batch_norm),
    "container.Sequential": _sequential,
    "conv.Conv2d": _convolution,
    "conv.ConvTranspose2d": _transposed_convolution,
    "dropout.Dropout": _plain(layers.chain),
    **dict.fromkeys(("linear.Linear", "linear.NonDynamicallyQuantizableLinear", "linear._LinearWithBias"), _linear),
    "linear.Identity": _plain(layers.chain),
    "padding.ZeroPad2d": _zero_pad,
    "pooling.MaxPool2d": _max_pool,
    "upsampling.Upsample": _upsample,
}
_EXPERIMENTAL = ("CrossConv", "GhostConv", "GhostBottleneck")
_BUILDERS: dict[str, Builder] = {
    **{f"models.common.{name}": builder for name, builder in COMMON.items()},
    **{f"models.experimental.{name}": COMMON[name] for name in _EXPERIMENTAL},
    "models.experimental.C3": COMMON["BottleneckCSP"],  # of cross convolutions; up to v3.1, before the C3 of today
    **{f"models.pruned_common.{name}Pruned": COMMON[name] for name in ("Bottleneck", "C3", "SPP", "SPPF")},
    **{f"utils.activations.{name}": builder for name, builder in _ACTIVATIONS.items()},
    **{f"torch.nn.modules.{name}": builder for name, builder in _TORCH.items()},
}
