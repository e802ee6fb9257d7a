"""What PyTorch computes for each of ONNX's operations: inputs by position, attributes by name."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

FUSED = "Silu"
"""Not ONNX's: x · sigmoid(x) in one."""


def _convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int],
    group: int,
    kernel_shape: Sequence[int],
) -> Tensor:
    return functional.conv2d(x, weight, bias, tuple(strides), tuple(pads[:2]), tuple(dilations), group)


def _transposed_convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    strides: list[int],
    pads: list[int],
    output_padding: list[int],
    dilations: list[int],
    group: int,
    kernel_shape: list[int],
) -> Tensor:
    return functional.conv_transpose2d(x, weight, bias, strides, pads[:2], output_padding, group, dilations)


def _max_pool(x: Tensor, *, kernel_shape: Any, strides: Any, pads: Any, dilations: Any) -> Tensor:
    top, left, bottom, right = pads
    if (top, left) != (bottom, right):
        x, top, left = functional.pad(x, (left, right, top, bottom), value=-torch.inf), 0, 0
    return functional.max_pool2d(x, kernel_shape, strides, (top, left), dilations)


def _average_pool(x: Tensor, *, kernel_shape: Any, strides: Any, pads: Any) -> Tensor:
    return functional.avg_pool2d(x, kernel_shape, strides, pads[:2], count_include_pad=False)


def _resize(
    x: Tensor,
    region: None,
    scales: Tensor,
    *,
    mode: str,
    coordinate_transformation_mode: str,
    nearest_mode: str = "floor",
) -> Tensor:
    vertical, horizontal = scales.tolist()[2:]
    if mode == "nearest":
        return functional.interpolate(x, scale_factor=(vertical, horizontal), mode="nearest")
    corners = coordinate_transformation_mode == "align_corners"
    return functional.interpolate(x, scale_factor=(vertical, horizontal), mode="bilinear", align_corners=corners)


def _pad(x: Tensor, sides: Tensor, value: Tensor | None = None) -> Tensor:
    *_, top, left = sides.tolist()[: x.ndim]
    *_, bottom, right = sides.tolist()
    return functional.pad(x, (left, right, top, bottom), value=0.0 if value is None else value.item())


def _reshape(x: Tensor, shape: Tensor) -> Tensor:
    return x.reshape([x.shape[axis] if side == 0 else side for axis, side in enumerate(shape.tolist())])


def _slice(x: Tensor, starts: Tensor, ends: Tensor, axes: Tensor, steps: Tensor) -> Tensor:
    index = [slice(0, None)] * x.ndim
    for start, end, axis, step in zip(*(values.tolist() for values in (starts, ends, axes, steps)), strict=True):
        index[axis] = slice(start, end, step)
    return x[tuple(index)]


def _space_to_depth(x: Tensor, *, blocksize: int) -> Tensor:
    (b, c, h, w), g = x.shape, blocksize
    return x.reshape(b, c, h // g, g, w // g, g).permute(0, 3, 5, 1, 2, 4).reshape(b, c * g * g, h // g, w // g)


def _depth_to_space(x: Tensor, *, blocksize: int) -> Tensor:
    (b, c, h, w), g = x.shape, blocksize
    return x.reshape(b, g, g, c // (g * g), h, w).permute(0, 3, 4, 1, 5, 2).reshape(b, c // (g * g), h * g, w * g)


def _gather(x: Tensor, indices: Tensor, *, axis: int) -> Tensor:
    return x.index_select(axis, indices.to(x.device)) if indices.ndim else x.select(axis, int(indices))


def _clip(x: Tensor, least: Tensor, most: Tensor) -> Tensor:
    return x.clamp(least.item(), most.item())


OPERATIONS: dict[str, Callable[..., Tensor]] = {
    "Add": torch.add,
    "AveragePool": _average_pool,
    "Cast": lambda x, to: x.to({1: torch.float32, 7: torch.int64}[to]),
    "Clip": _clip,
    "Concat": lambda *values, axis: torch.cat(values, axis),
    "Conv": _convolution,
    "ConvTranspose": _transposed_convolution,
    "DepthToSpace": _depth_to_space,
    "Floor": torch.floor,
    "Gather": _gather,
    "HardSwish": functional.hardswish,
    "LeakyRelu": lambda x, alpha: functional.leaky_relu(x, alpha),
    "MatMul": torch.matmul,
    "MaxPool": _max_pool,
    "Min": torch.minimum,
    "Mul": torch.mul,
    "Pad": _pad,
    "Range": lambda start, end, step: torch.arange(int(start), int(end), int(step)),
    "ReduceMax": lambda x, axes, keepdims: x.amax(tuple(axes), bool(keepdims)),
    "Relu": torch.relu,
    "Reshape": _reshape,
    "Resize": _resize,
    "Shape": lambda x: torch.tensor(x.shape),
    "Sigmoid": torch.sigmoid,
    FUSED: functional.silu,
    "Slice": _slice,
    "Softmax": lambda x, axis: x.softmax(axis),
    "Softplus": functional.softplus,
    "SpaceToDepth": _space_to_depth,
    "Sub": torch.sub,
    "Tanh": torch.tanh,
    "Transpose": lambda x, perm: x.permute(perm),
}
