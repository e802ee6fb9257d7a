"""PyTorch's function for each of ONNX's operations.

Each function takes an operation's inputs by position and its attributes by name. An input that tells how to compute
(`NUMBERS`) is a Python number or list; so is any other input without dimensions. The rest are tensors. Operations of
ONNX's versions 11 to 22, as the exporters of YOLOv5 and the ultralytics package write them.
"""

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from entrypoint.engines.shapes import sides, slices

NUMBERS: dict[str, tuple[int, ...]] = {
    "Clip": (1, 2),
    "Expand": (1,),
    "Pad": (1, 2, 3),
    "ReduceMax": (1,),
    "ReduceMean": (1,),
    "ReduceSum": (1,),
    "Reshape": (1,),
    "Resize": (1, 2, 3),
    "Slice": (1, 2, 3, 4),
    "Split": (1,),
    "Squeeze": (1,),
    "Tile": (1,),
    "TopK": (1,),
    "Unsqueeze": (1,),
}
"""The inputs of an operation, by position, that tell how to compute."""
FUSED = "Silu"
"""Not ONNX's: x · sigmoid(x) in one."""
SOFTMAX_OF_MATRIX = "Softmax, up to version 12"
"""Softmax over all dimensions from `axis` on, which is 1 by default."""
_TYPES = {2: torch.uint8, 3: torch.int8, 6: torch.int32, 7: torch.int64, 9: torch.bool}


class UnknownOperationError(Exception):
    """A graph has operations, or ways of doing them, that are not in the table; the message names them."""


def _conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    strides: Sequence[int] = (1, 1),
    pads: Sequence[int] = (0, 0, 0, 0),
    dilations: Sequence[int] = (1, 1),
    group: int = 1,
    auto_pad: str = "NOTSET",
    kernel_shape: Sequence[int] = (),
) -> Tensor:
    x, padding = _padded(x, pads, 0.0, auto_pad)
    return functional.conv2d(x, weight, bias, tuple(strides), padding, tuple(dilations), group)


def _conv_transpose(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    strides: Sequence[int] = (1, 1),
    pads: Sequence[int] = (0, 0, 0, 0),
    output_padding: Sequence[int] = (0, 0),
    dilations: Sequence[int] = (1, 1),
    group: int = 1,
    auto_pad: str = "NOTSET",
    kernel_shape: Sequence[int] = (),
) -> Tensor:
    _require("ConvTranspose", auto_pad=auto_pad == "NOTSET", pads=tuple(pads[:2]) == tuple(pads[2:]))
    how = tuple(strides), tuple(pads[:2]), tuple(output_padding), group, tuple(dilations)
    return functional.conv_transpose2d(x, weight, bias, *how)


def _max_pool(
    x: Tensor,
    *,
    kernel_shape: Sequence[int],
    strides: Sequence[int] = (1, 1),
    pads: Sequence[int] = (0, 0, 0, 0),
    dilations: Sequence[int] = (1, 1),
    ceil_mode: int = 0,
    storage_order: int = 0,
    auto_pad: str = "NOTSET",
) -> Tensor:
    x, padding = _padded(x, pads, -torch.inf, auto_pad)
    return functional.max_pool2d(x, tuple(kernel_shape), tuple(strides), padding, tuple(dilations), bool(ceil_mode))


def _average_pool(
    x: Tensor,
    *,
    kernel_shape: Sequence[int],
    strides: Sequence[int] = (1, 1),
    pads: Sequence[int] = (0, 0, 0, 0),
    dilations: Sequence[int] = (1, 1),
    ceil_mode: int = 0,
    count_include_pad: int = 0,
    auto_pad: str = "NOTSET",
) -> Tensor:
    _require(
        "AveragePool",
        auto_pad=auto_pad == "NOTSET",
        dilations=tuple(dilations) == (1, 1),
        pads=tuple(pads[:2]) == tuple(pads[2:]),
    )
    how = tuple(kernel_shape), tuple(strides), tuple(pads[:2]), bool(ceil_mode), bool(count_include_pad)
    return functional.avg_pool2d(x, *how)


def _padded(x: Tensor, pads: Sequence[int], value: float, auto_pad: str) -> tuple[Tensor, tuple[int, int]]:
    """Return the padding that is alike at both ends; where it is not, pad the values."""
    _require("convolution or pooling", auto_pad=auto_pad == "NOTSET")
    top, left, bottom, right = pads
    if (top, left) == (bottom, right):
        return x, (top, left)
    return functional.pad(x, (left, right, top, bottom), value=value), (0, 0)


def _resize(
    x: Tensor,
    region: object = None,
    scales: Sequence[float] | None = None,
    sizes: Sequence[int] | None = None,
    *,
    mode: str = "nearest",
    coordinate_transformation_mode: str = "half_pixel",
    nearest_mode: str = "round_prefer_floor",
    cubic_coeff_a: float = 0.0,
    antialias: int = 0,
    axes: Sequence[int] | None = None,
) -> Tensor:
    how: dict[str, Any] = {"size": tuple(sizes[2:])} if sizes else {"scale_factor": tuple((scales or ())[2:])}
    if mode == "nearest":
        # A whole number of times larger, all ways to round choose the same pixel.
        is_whole = not sizes and all(float(scale).is_integer() for scale in how["scale_factor"])
        is_floor = (coordinate_transformation_mode, nearest_mode) == ("asymmetric", "floor")
        _require("Resize", nearest_mode=is_floor or is_whole, antialias=not antialias, axes=axes is None)
        return functional.interpolate(x, **how, mode="nearest")
    corners = {"align_corners": True, "half_pixel": False, "pytorch_half_pixel": False}
    known = coordinate_transformation_mode in corners
    _require("Resize", mode=mode == "linear", coordinates=known, antialias=not antialias, axes=axes is None)
    return functional.interpolate(x, **how, mode="bilinear", align_corners=corners[coordinate_transformation_mode])


def _pad(
    x: Tensor,
    pads: Sequence[int],
    value: float | None = None,
    axes: Sequence[int] | None = None,
    *,
    mode: str = "constant",
) -> Tensor:
    _require("Pad", mode=mode == "constant")
    count = len(pads) // 2
    pairs = [(0, 0)] * x.ndim
    for axis, start, end in zip(axes or range(x.ndim), pads[:count], pads[count:], strict=True):
        pairs[axis] = start, end
    return functional.pad(x, [side for pair in reversed(pairs) for side in pair], value=value or 0.0)


def _slice(
    x: Tensor,
    starts: Sequence[int],
    ends: Sequence[int],
    axes: Sequence[int] | None = None,
    steps: Sequence[int] | None = None,
) -> Tensor:
    _require("Slice", steps=min(steps or [1]) > 0)
    return x[slices(x.ndim, starts, ends, axes, steps)]


def _split(x: Tensor, split: Sequence[int] | None = None, *, axis: int = 0, num_outputs: int = 0) -> Sequence[Tensor]:
    if split:
        return torch.split(x, list(split), axis)
    _require("Split", num_outputs=num_outputs > 0)
    return torch.split(x, -(-x.shape[axis] // num_outputs), axis)


def _squeeze(x: Tensor, axes: Sequence[int] | None = None) -> Tensor:
    return x.squeeze() if axes is None else x.squeeze(tuple(axes))


def _unsqueeze(x: Tensor, axes: Sequence[int]) -> Tensor:
    for axis in sorted(axis % (x.ndim + len(axes)) for axis in axes):
        x = x.unsqueeze(axis)
    return x


def _space_to_depth(x: Tensor, *, blocksize: int) -> Tensor:
    (b, c, h, w), g = x.shape, blocksize
    return x.reshape(b, c, h // g, g, w // g, g).permute(0, 3, 5, 1, 2, 4).reshape(b, c * g * g, h // g, w // g)


def _depth_to_space(x: Tensor, *, blocksize: int, mode: str = "DCR") -> Tensor:
    _require("DepthToSpace", mode=mode == "DCR")
    (b, c, h, w), g = x.shape, blocksize
    return x.reshape(b, g, g, c // (g * g), h, w).permute(0, 3, 4, 1, 5, 2).reshape(b, c // (g * g), h * g, w * g)


def _gather(x: Tensor, indices: Tensor | int, *, axis: int = 0) -> Tensor:
    if isinstance(indices, int):
        return x.select(axis, indices)
    axis %= x.ndim
    found = x.index_select(axis, indices.flatten())
    return found if indices.ndim == 1 else found.reshape(*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])


def _clip(x: Tensor, least: float | None = None, most: float | None = None) -> Tensor:
    return x.clamp(least, most)


def _reduced(name: str) -> Callable[..., Tensor]:
    def reduce(
        x: Tensor, axes: Sequence[int] | None = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0
    ) -> Tensor:
        _require(f"the reduction {name}", noop_with_empty_axes=bool(axes) or not noop_with_empty_axes)
        found: Tensor = getattr(x, name)(tuple(axes or range(x.ndim)), keepdim=bool(keepdims))
        return found

    return reduce


def _argmax(x: Tensor, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> Tensor:
    _require("ArgMax", select_last_index=not select_last_index)
    return x.argmax(axis, bool(keepdims))


def _topk(x: Tensor, count: Sequence[int], *, axis: int = -1, largest: int = 1, **_: int) -> tuple[Tensor, Tensor]:
    found = x.topk(count[0], axis, bool(largest))
    return found.values, found.indices


def _softmax_of_matrix(x: Tensor, *, axis: int = 1) -> Tensor:
    return x.flatten(axis).softmax(-1).view(x.shape)


def _smallest(*values: Any) -> Any:
    return _folded(values, torch.minimum, "max")


def _largest(*values: Any) -> Any:
    return _folded(values, torch.maximum, "min")


def _folded(values: Sequence[Any], pair: Callable[[Tensor, Tensor], Tensor], limit: str) -> Tensor:
    tensors = [value for value in values if isinstance(value, Tensor)]
    found = tensors[0]
    for other in tensors[1:]:
        found = pair(found, other)
    for number in (value for value in values if not isinstance(value, Tensor)):
        found = found.clamp(**{limit: number})
    return found


def _divided(x: Any, y: Any) -> Any:
    return x / y if _is_real(x) or _is_real(y) else torch.div(x, y, rounding_mode="trunc")


def _is_real(value: Tensor | float) -> bool:
    return value.is_floating_point() if isinstance(value, Tensor) else isinstance(value, float)


def _cast(x: Tensor, *, to: Any, saturate: int = 1) -> Tensor:
    return x.to(to if isinstance(to, torch.dtype) else _TYPES[to])


def _require(what: str, **conditions: bool) -> None:
    """Raise UnknownOperationError naming the attributes of an operation that it is not done for here."""
    if unmet := [name for name, is_met in conditions.items() if not is_met]:
        raise UnknownOperationError(f"PyTorch's table has no {what} with this {', '.join(unmet)}")


OPERATIONS: dict[str, Callable[..., Any]] = {
    "Add": operator.add,
    "ArgMax": _argmax,
    "AveragePool": _average_pool,
    "Cast": _cast,
    "Clip": _clip,
    "Concat": lambda *values, axis: torch.cat(values, axis),
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "DepthToSpace": _depth_to_space,
    "Div": _divided,
    "Equal": operator.eq,
    "Exp": torch.exp,
    "Expand": lambda x, shape: x.expand(np.broadcast_shapes(x.shape, tuple(shape))),
    "Flatten": lambda x, axis=1: x.reshape(int(np.prod(x.shape[:axis])), -1),
    "Floor": torch.floor,
    "Gather": _gather,
    "GatherElements": lambda x, indices, axis=0: x.gather(axis, indices),
    "GlobalAveragePool": lambda x: x.mean((2, 3), keepdim=True),
    "Greater": operator.gt,
    "HardSigmoid": lambda x, alpha=0.2, beta=0.5: (x * alpha + beta).clamp(0, 1),
    "HardSwish": functional.hardswish,
    "Identity": lambda x: x,
    "LeakyRelu": lambda x, alpha=0.01: functional.leaky_relu(x, alpha),
    "Less": operator.lt,
    "MatMul": torch.matmul,
    "Max": _largest,
    "MaxPool": _max_pool,
    "Min": _smallest,
    "Mish": functional.mish,
    "Mod": lambda x, y, fmod=0: torch.fmod(x, y) if fmod else torch.remainder(x, y),
    "Mul": operator.mul,
    "Pad": _pad,
    "Pow": operator.pow,
    "ReduceMax": _reduced("amax"),
    "ReduceMean": _reduced("mean"),
    "ReduceSum": _reduced("sum"),
    "Relu": torch.relu,
    "Reshape": lambda x, shape, allowzero=0: x.reshape(sides(x.shape, shape, allowzero)),
    "Resize": _resize,
    "Sigmoid": torch.sigmoid,
    FUSED: functional.silu,
    "Slice": _slice,
    "Softmax": lambda x, axis=-1: x.softmax(axis),
    SOFTMAX_OF_MATRIX: _softmax_of_matrix,
    "Softplus": functional.softplus,
    "SpaceToDepth": _space_to_depth,
    "Split": _split,
    "Sqrt": torch.sqrt,
    "Squeeze": _squeeze,
    "Sub": operator.sub,
    "Tanh": torch.tanh,
    "Tile": lambda x, repeats: x.repeat(tuple(repeats)),
    "TopK": _topk,
    "Transpose": lambda x, perm=None: x.permute(tuple(perm or reversed(range(x.ndim)))),
    "Unsqueeze": _unsqueeze,
    "Where": torch.where,
}
