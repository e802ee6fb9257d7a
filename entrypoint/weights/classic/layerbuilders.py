"""From one node of a checkpoint to the layer it stands for: a builder for each class name that YOLOv5 pickles.

Attributes that a newer torch or YOLOv5 added since the checkpoint was made get their defaults here, so that old pickles
need no repair afterwards.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from torch import Tensor, nn
from torch.nn import functional

from entrypoint.errors import WeightsError
from entrypoint.models.yolov5 import layers
from entrypoint.weights.classic.part import Part, shown


def build_layer(part: Part) -> nn.Module:
    """The layer a node stands for. Raises WeightsError for one that YOLOv5 detection models do not have."""
    builder = _BUILDERS.get(part.name)
    if builder is None:
        raise part.wrong("is not a layer of a YOLOv5 detection model")
    return builder(part)


def _build(part: Part, key: str) -> nn.Module:
    return build_layer(part.child(key))


class _Bare:
    """A layer that makes up no weights of its own: the checkpoint's take their place, and random ones cost time."""

    def reset_parameters(self) -> None:
        pass


class _Conv2d(_Bare, nn.Conv2d):
    pass


class _ConvTranspose2d(_Bare, nn.ConvTranspose2d):
    pass


class _Linear(_Bare, nn.Linear):
    pass


def _conv2d(part: Part) -> nn.Conv2d:
    weight, bias, groups = part.tensor("weight", 4), part.optional_tensor("bias"), part.number("groups", 1)
    if groups < 1 or part.value("padding_mode", "zeros") != "zeros":
        raise part.wrong("has groups or a padding mode that YOLOv5 does not use")
    conv = _Conv2d(
        weight.shape[1] * groups,
        weight.shape[0],
        (weight.shape[2], weight.shape[3]),
        part.pair("stride", 1),
        part.pair("padding", 0),
        part.pair("dilation", 1),
        groups,
        bias is not None,
        device="meta",
    )
    return _with_weights(conv, weight, bias)


def _conv_transpose2d(part: Part) -> nn.ConvTranspose2d:
    weight, bias, groups = part.tensor("weight", 4), part.optional_tensor("bias"), part.number("groups", 1)
    conv = _ConvTranspose2d(
        weight.shape[0],
        weight.shape[1] * groups,
        (weight.shape[2], weight.shape[3]),
        part.pair("stride", 1),
        part.pair("padding", 0),
        part.pair("output_padding", 0),
        groups,
        bias is not None,
        part.pair("dilation", 1),
        device="meta",
    )
    return _with_weights(conv, weight, bias)


def _linear(part: Part) -> nn.Linear:
    weight, bias = part.tensor("weight", 2), part.optional_tensor("bias")
    linear = _Linear(weight.shape[1], weight.shape[0], bias is not None, device="meta")
    return _with_weights(linear, weight, bias)


_Weighted = TypeVar("_Weighted", _Conv2d, _ConvTranspose2d, _Linear)


def _with_weights(module: _Weighted, weight: Tensor, bias: Tensor | None) -> _Weighted:
    if weight.shape != module.weight.shape or (
        bias is not None and module.bias is not None and bias.shape != module.bias.shape
    ):
        raise WeightsError(f"a checkpoint's weights of shape {tuple(weight.shape)} do not fit {module}")
    module.weight = nn.Parameter(weight, requires_grad=False)
    module.bias = _parameter(bias)
    return module


def _parameter(values: Tensor | None) -> Any:
    return None if values is None else nn.Parameter(values, requires_grad=False)


def _batch_norm_affine(part: Part) -> tuple[Tensor, Tensor]:
    """Scale and shift that a batch norm in eval mode amounts to, (C,) each."""
    mean, variance = part.tensor("running_mean", 1), part.tensor("running_var", 1)
    gamma, beta = part.optional_tensor("weight"), part.optional_tensor("bias")
    if any(values is not None and values.shape != mean.shape for values in (variance, gamma, beta)):
        raise part.wrong("has a batch norm whose sizes do not match")
    scale = (variance + part.real("eps", 1e-5)).rsqrt()
    scale = scale if gamma is None else scale * gamma
    shift = -mean * scale
    return scale, shift if beta is None else shift + beta


class _Affine(nn.Module):
    """A batch norm in eval mode that no convolution precedes."""

    scale: Tensor
    shift: Tensor

    def __init__(self, scale: Tensor, shift: Tensor) -> None:
        super().__init__()
        self.register_buffer("scale", scale.view(1, -1, 1, 1))
        self.register_buffer("shift", shift.view(1, -1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale + self.shift


def _batch_norm(part: Part) -> nn.Module:
    return _Affine(*_batch_norm_affine(part))


def _conv(part: Part) -> nn.Module:
    conv = _conv2d(part.child("conv"))
    if part.has("bn"):
        scale, shift = _batch_norm_affine(part.child("bn"))
        if len(scale) != conv.out_channels:
            raise part.wrong(f"has a batch norm of {len(scale)} channels after {conv.out_channels}")
        bias: Tensor | None = conv.bias
        conv.weight = nn.Parameter(conv.weight * scale.view(-1, 1, 1, 1), requires_grad=False)
        conv.bias = _parameter(shift if bias is None else shift + bias * scale)
    act = _build(part, "act") if part.has("act") else nn.Identity()
    if isinstance(act, (nn.SiLU, nn.Hardswish, nn.Mish, nn.ReLU, nn.LeakyReLU)):
        act.inplace = True  # nobody else reads what the convolution gives
    return layers.Conv(conv, act)


def _bottleneck(part: Part) -> nn.Module:
    return layers.Bottleneck(_build(part, "cv1"), _build(part, "cv2"), bool(part.value("add")))


def _bottleneck_csp(part: Part) -> nn.Module:
    parts = [_build(part, key) for key in ("cv1", "cv2", "cv3", "cv4", "m", "bn", "act")]
    return layers.BottleneckCSP(*parts)


def _c3(part: Part) -> nn.Module:
    return layers.C3(_build(part, "cv1"), _build(part, "cv2"), _build(part, "cv3"), _build(part, "m"))


def _spp(part: Part) -> nn.Module:
    pools = nn.ModuleList(build_layer(pool) for pool in part.child("m").children())
    return layers.SPP(_build(part, "cv1"), _build(part, "cv2"), pools)


def _sppf(part: Part) -> nn.Module:
    return layers.SPPF(_build(part, "cv1"), _build(part, "cv2"), _build(part, "m"))


def _ghost_conv(part: Part) -> nn.Module:
    return layers.GhostConv(_build(part, "cv1"), _build(part, "cv2"))


def _ghost_bottleneck(part: Part) -> nn.Module:
    return layers.GhostBottleneck(_build(part, "conv"), _build(part, "shortcut"))


def _transformer_layer(part: Part) -> nn.Module:
    parts = [_build(part, key) for key in ("q", "k", "v", "ma", "fc1", "fc2")]
    return layers.TransformerLayer(*parts)


def _transformer_block(part: Part) -> nn.Module:
    conv = _build(part, "conv") if part.has("conv") else nn.Identity()
    return layers.TransformerBlock(conv, _build(part, "linear"), _build(part, "tr"))


class _Attention(nn.Module):
    """What `nn.MultiheadAttention` computes, of weights that are already made. Tokens are (L, B, C)."""

    def __init__(self, heads: int, weight: Tensor, bias: Tensor | None, out: nn.Linear) -> None:
        super().__init__()
        self.heads, self.out = heads, out
        self.weight, self.bias = _parameter(weight), _parameter(bias)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, need_weights: bool) -> tuple[Tensor, Tensor | None]:
        return functional.multi_head_attention_forward(
            query,
            key,
            value,
            self.out.in_features,
            self.heads,
            self.weight,
            self.bias,
            bias_k=None,
            bias_v=None,
            add_zero_attn=False,
            dropout_p=0.0,
            out_proj_weight=self.out.weight,
            out_proj_bias=self.out.bias,
            training=False,
            need_weights=need_weights,
        )


def _attention(part: Part) -> nn.Module:
    weight, bias = part.tensor("in_proj_weight", 2), part.optional_tensor("in_proj_bias")
    out, heads = _linear(part.child("out_proj")), part.number("num_heads")
    width = weight.shape[1]
    if (
        weight.shape[0] != 3 * width
        or (bias is not None and bias.shape != weight.shape[:1])
        or out.weight.shape != (width, width)
        or heads < 1
        or width % heads
    ):
        raise part.wrong("has an attention whose sizes do not match")
    return _Attention(heads, weight, bias, out)


def _sequential(part: Part) -> nn.Module:
    return nn.Sequential(*(build_layer(child) for child in part.children()))


def _upsample(part: Part) -> nn.Module:
    scale, mode = part.value("scale_factor"), part.value("mode", "nearest")
    scale = scale[0] if isinstance(scale, tuple) and scale else scale
    if not isinstance(scale, (int, float)) or not 1 <= scale <= 4 or mode not in ("nearest", "bilinear"):
        raise part.wrong(f"scales by {shown(scale)} with {shown(mode)}, expected 1 to 4 with nearest or bilinear")
    align = part.value("align_corners") if mode == "bilinear" else None
    return nn.Upsample(scale_factor=float(scale), mode=mode, align_corners=None if align is None else bool(align))


def _max_pool(part: Part) -> nn.Module:
    kernel = part.pair("kernel_size")
    stride = kernel if part.value("stride") is None else part.pair("stride")
    return nn.MaxPool2d(
        kernel,
        stride,
        part.pair("padding", 0),
        part.pair("dilation", 1),
        ceil_mode=bool(part.value("ceil_mode")),
    )


def _zero_pad(part: Part) -> nn.Module:
    padding = part.value("padding")
    if not isinstance(padding, (tuple, list)) or len(padding) != 4:
        raise part.wrong("has no padding of four sides")
    left, right, top, bottom = (part.checked_int("padding", side) for side in padding)
    return nn.ZeroPad2d((left, right, top, bottom))


def _gain(kind: Callable[[int], nn.Module]) -> Callable[[Part], nn.Module]:
    def builder(part: Part) -> nn.Module:
        gain = part.number("gain")
        if not 1 <= gain <= 16:
            raise part.wrong(f"has gain {gain}, expected 1 to 16")
        return kind(gain)

    return builder


_NN = "torch.nn.modules."
_BUILDERS: dict[str, Callable[[Part], nn.Module]] = {
    **dict.fromkeys(("models.common.Conv", "models.common.DWConv"), _conv),
    "models.common.DWConvTranspose2d": _conv_transpose2d,
    **dict.fromkeys(
        ("models.common.Bottleneck", "models.common.CrossConv", "models.experimental.CrossConv"), _bottleneck
    ),
    "models.common.BottleneckCSP": _bottleneck_csp,
    **{
        f"models.{name}": _c3
        for name in ["common.C3", "common.C3x", "common.C3TR", "common.C3SPP", "common.C3Ghost", "experimental.C3"]
    },
    "models.common.SPP": _spp,
    "models.common.SPPF": _sppf,
    "models.common.Focus": lambda part: layers.Focus(_build(part, "conv")),
    **dict.fromkeys(("models.common.GhostConv", "models.experimental.GhostConv"), _ghost_conv),
    **dict.fromkeys(("models.common.GhostBottleneck", "models.experimental.GhostBottleneck"), _ghost_bottleneck),
    "models.common.TransformerLayer": _transformer_layer,
    "models.common.TransformerBlock": _transformer_block,
    "models.common.Contract": _gain(layers.Contract),
    "models.common.Expand": _gain(layers.Expand),
    "models.common.Concat": lambda part: layers.Concat(part.number("d", 1)),
    **dict.fromkeys((f"{_NN}activation.SiLU", "utils.activations.SiLU"), lambda _: nn.SiLU()),
    **dict.fromkeys((f"{_NN}activation.Hardswish", "utils.activations.Hardswish"), lambda _: nn.Hardswish()),
    **dict.fromkeys((f"{_NN}activation.Mish", "utils.activations.Mish"), lambda _: nn.Mish()),
    f"{_NN}activation.ReLU": lambda _: nn.ReLU(),
    f"{_NN}activation.ReLU6": lambda _: nn.ReLU6(),
    f"{_NN}activation.LeakyReLU": lambda part: nn.LeakyReLU(part.real("negative_slope", 0.01)),
    f"{_NN}activation.Sigmoid": lambda _: nn.Sigmoid(),
    f"{_NN}activation.MultiheadAttention": _attention,
    f"{_NN}batchnorm.BatchNorm2d": _batch_norm,
    f"{_NN}container.Sequential": _sequential,
    f"{_NN}conv.Conv2d": _conv2d,
    f"{_NN}conv.ConvTranspose2d": _conv_transpose2d,
    f"{_NN}dropout.Dropout": lambda _: nn.Identity(),
    f"{_NN}linear.Linear": _linear,
    f"{_NN}linear.Identity": lambda _: nn.Identity(),
    f"{_NN}padding.ZeroPad2d": _zero_pad,
    f"{_NN}pooling.MaxPool2d": _max_pool,
    f"{_NN}upsampling.Upsample": _upsample,
}
