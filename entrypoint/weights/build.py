"""From the nodes of a classic YOLOv5 checkpoint to a network that can run, checking every value on the way.

Each pickled class name has a builder; attributes that a newer torch or YOLOv5 added since the checkpoint was made get
their defaults here, so that old pickles need no repair afterwards.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from entrypoint.errors import NotADetectorError, WeightsError
from entrypoint.model import layers
from entrypoint.model.head import Detect
from entrypoint.model.network import Network, Step
from entrypoint.weights.part import Allowance, Part, shown

# detect.py pads to multiples of at least this: a head may end before the coarsest of the layers it draws on.
_LEAST_STRIDE = 32
# Values a layer may give for an image of two strides by two; the largest YOLOv5 stays below a million.
_MAX_OUTPUT = 1 << 24
_OTHER_TASKS = {
    "models.yolo.SegmentationModel": "segmentation",
    "models.yolo.Segment": "segmentation",
    "models.yolo.ClassificationModel": "classification",
    "models.common.Classify": "classification",
}


def build_network(model: object, file_bytes: int) -> tuple[Network, object]:
    """The network of a pickled `models.yolo.Model` or `DetectionModel`, and its `names` as they stand there.

    The network is float32, on the CPU, in eval mode, without gradients; batch norms are folded into convolutions.
    `file_bytes`, the size of the checkpoint, bounds the network's.
    Raises NotADetectorError for a model of another task, WeightsError for values no real checkpoint has.
    """
    root = Part(model, "model", Allowance(file_bytes))
    parts = list(root.child("model").children())
    _refuse_other_tasks([root, *parts[-1:]])
    if not parts or parts[-1].name != "models.yolo.Detect":
        raise root.wrong("does not end in a detection head (models.yolo.Detect)")
    strides = _strides(parts[-1] if parts[-1].optional_tensor("stride") is not None else root)
    network = Network(
        nn.ModuleList([*(build_layer(part) for part in parts[:-1]), _detect(parts[-1], strides)]),
        [_step(part, position) for position, part in enumerate(parts)],
        max(_LEAST_STRIDE, int(strides.max())),
        parts[-1].number("nc"),
    )
    network.eval().requires_grad_(False)
    _try_out(network)
    return network, root.value("names")


def _refuse_other_tasks(parts: list[Part]) -> None:
    for part in parts:
        if part.name in _OTHER_TASKS:
            raise NotADetectorError(
                f"a YOLOv5 {_OTHER_TASKS[part.name]} checkpoint ({part.name}); expected a detection checkpoint, "
                "such as yolov5s.pt."
            )


def _try_out(network: Network) -> None:
    """Refuse layers that do not fit together, or that would blow up a small image; without computing anything."""
    side = 2 * network.stride
    weights = {name: values.to("meta") for name, values in (*network.named_parameters(), *network.named_buffers())}
    hooks = [layer.register_forward_hook(_refuse_growth) for layer in network.modules() if layer is not network]
    try:
        torch.func.functional_call(network, weights, (torch.empty(1, 3, side, side, device="meta"),))
    except (RuntimeError, ValueError, TypeError, IndexError, AttributeError) as error:
        detail = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise WeightsError(f"the checkpoint's layers do not fit together: {detail}") from error
    finally:
        for hook in hooks:
            hook.remove()


def _refuse_growth(layer: nn.Module, inputs: object, output: object) -> None:
    if isinstance(output, Tensor) and output.numel() > _MAX_OUTPUT:
        raise WeightsError(f"the checkpoint's {type(layer).__name__} makes {output.numel()} values of a tiny image")


def _step(part: Part, position: int) -> Step:
    source = part.value("f")
    many = isinstance(source, (list, tuple))
    indices = tuple(source) if many else (source,)
    for index in indices:
        if not isinstance(index, int) or not (index == -1 or -position <= index < position):
            raise part.wrong(f"reads from layer {shown(index)}, which is not before it")
    return Step(indices, many)


def build_layer(part: Part) -> nn.Module:
    """The layer a node stands for. Raises WeightsError for one that YOLOv5 detection models do not have."""
    builder = _BUILDERS.get(part.name)
    if builder is None:
        raise part.wrong("is not a layer of a YOLOv5 detection model")
    return builder(part)


def _build(part: Part, key: str) -> nn.Module:
    return build_layer(part.child(key))


def _strides(part: Part) -> Tensor:
    strides = part.tensor("stride", 1)
    whole = strides.round()
    if not 1 <= len(strides) <= 8 or not bool(((strides == whole) & (whole >= 1) & (whole <= 1024)).all()):
        raise part.wrong(f"has strides {str(strides.tolist())[:80]}, expected whole pixels from 1 to 1024")
    if any(int(strides.max()) % int(stride) for stride in strides):
        raise part.wrong(f"has strides {strides.tolist()}, of which the largest is no multiple of the others")
    return strides


def _detect(part: Part, strides: Tensor) -> nn.Module:
    anchors, classes = part.tensor("anchors", 3), part.number("nc")
    convs = nn.ModuleList(build_layer(conv) for conv in part.child("m").children())
    outputs = anchors.shape[1] * (5 + classes)
    if not len(convs) == len(anchors) == len(strides) or anchors.shape[2] != 2 or classes < 1:
        raise part.wrong("has levels, anchors and strides that do not match")
    if any(not isinstance(conv, nn.Conv2d) or conv.out_channels != outputs for conv in convs):
        raise part.wrong(f"has convolutions that do not give {outputs} channels for {classes} classes")
    return Detect(convs, anchors, strides, classes)


def _conv2d(part: Part) -> nn.Conv2d:
    weight, bias, groups = part.tensor("weight", 4), part.optional_tensor("bias"), part.number("groups", 1)
    if groups < 1 or part.value("padding_mode", "zeros") != "zeros":
        raise part.wrong("has groups or a padding mode that YOLOv5 does not use")
    conv = nn.Conv2d(
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
    conv = nn.ConvTranspose2d(
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
    linear = nn.Linear(weight.shape[1], weight.shape[0], bias is not None, device="meta")
    return _with_weights(linear, weight, bias)


_Weighted = TypeVar("_Weighted", nn.Conv2d, nn.ConvTranspose2d, nn.Linear)


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
    scale = (variance + part.real("eps", 1e-5)).rsqrt()
    gamma, beta = part.optional_tensor("weight"), part.optional_tensor("bias")
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
    return layers.Conv(conv, _build(part, "act") if part.has("act") else nn.Identity())


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


def _attention(part: Part) -> nn.Module:
    weight, bias = part.tensor("in_proj_weight", 2), part.optional_tensor("in_proj_bias")
    width, heads = weight.shape[1], part.number("num_heads")
    if weight.shape[0] != 3 * width or heads < 1 or width % heads:
        raise part.wrong("has an attention whose sizes do not match")
    attention = nn.MultiheadAttention(width, heads, bias=bias is not None, device="meta")
    attention.in_proj_weight = nn.Parameter(weight, requires_grad=False)
    attention.in_proj_bias = _parameter(bias)
    out = part.child("out_proj")
    out_weight, out_bias = out.tensor("weight", 2), out.optional_tensor("bias")
    attention.out_proj.weight = nn.Parameter(out_weight, requires_grad=False)
    attention.out_proj.bias = _parameter(out_bias)
    return attention


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
    **dict.fromkeys((f"{_NN}activation.SiLU", "utils.activations.SiLU"), lambda _: nn.SiLU(inplace=True)),
    **dict.fromkeys(
        (f"{_NN}activation.Hardswish", "utils.activations.Hardswish"), lambda _: nn.Hardswish(inplace=True)
    ),
    **dict.fromkeys((f"{_NN}activation.Mish", "utils.activations.Mish"), lambda _: nn.Mish(inplace=True)),
    f"{_NN}activation.ReLU": lambda _: nn.ReLU(inplace=True),
    f"{_NN}activation.ReLU6": lambda _: nn.ReLU6(inplace=True),
    f"{_NN}activation.LeakyReLU": lambda part: nn.LeakyReLU(part.real("negative_slope", 0.01), inplace=True),
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
