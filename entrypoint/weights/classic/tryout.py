"""Whether layers from a checkpoint fit together, and do not ask for more memory than a network does."""

import math
from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from entrypoint.errors import WeightsError
from entrypoint.host import memory
from entrypoint.models.yolov5.network import Network

# Values that one function may make of an image of two strides by two, and all together: of the YOLOv5 that makes the
# most, a P7 of width x, 3 and 120 million.
_MAX_OUTPUT, _MAX_TOTAL = 1 << 24, 1 << 28
# oneDNN computes convolutions on channels in blocks of this many.
_BLOCK = 16


def try_out(network: Network) -> None:
    """Refuse layers that do not fit together, or that would blow up a small image, by a run on a blank one.

    Raises WeightsError; an error that says that memory is out passes as it is.
    """
    side = 2 * network.stride
    try:
        with _Bounded():
            network(torch.zeros(1, 3, side, side))
    except (RuntimeError, ValueError, TypeError, IndexError, AttributeError, AssertionError) as error:
        if memory.is_said(error):
            raise
        detail = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise WeightsError(f"the checkpoint's layers do not fit together: {detail}") from error


class _Bounded(TorchFunctionMode):
    """Refuses a function of tensors that would make too many values, before it runs.

    Functions, not modules: within a layer, a sum of a row and a column makes a plane.
    """

    def __init__(self) -> None:
        super().__init__()
        self._total = 0

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        expected = _EXPECTED.get(function, _elementwise)(*args, **kwargs)
        self._refuse(function, expected)
        result = function(*args, **kwargs)
        if isinstance(result, Tensor):
            self._refuse(function, result.numel())
            self._total += max(expected, result.numel())
        return result

    def _refuse(self, function: Any, values: int) -> None:
        if values > _MAX_OUTPUT:
            raise WeightsError(f"the checkpoint's {function.__name__} makes {values} values of a tiny image")
        if self._total + values > _MAX_TOTAL:
            raise WeightsError(f"the checkpoint's layers make more than {_MAX_TOTAL} values of a tiny image")


_Pair = Sequence[int]


def _elementwise(*args: object, **_: object) -> int:
    """Tensors broadcast against each other; an activation or a view of one."""
    shapes = (reversed(value.shape) for value in args if isinstance(value, Tensor))
    return math.prod(map(max, zip_longest(*shapes, fillvalue=1)))


def _conv2d(x: Tensor, weight: Tensor, _bias: object, strides: _Pair, pads: _Pair, gaps: _Pair, _groups: int) -> int:
    """Input and output in blocks; or the columns of pixels under the kernel, where it becomes a matrix product."""
    batch, channels, *sides = x.shape
    made, taken, *kernel = weight.shape
    places = batch * math.prod(
        max(0, side + 2 * pad - gap * (size - 1) - 1 + stride) // max(1, stride)
        for side, size, stride, pad, gap in zip(sides, kernel, strides, pads, gaps, strict=True)
    )
    return max(batch * math.prod(sides) * _blocks(channels), places * max(_blocks(made), taken * math.prod(kernel)))


def _conv_transpose2d(
    x: Tensor, weight: Tensor, _bias: object, strides: _Pair, pads: _Pair, extras: _Pair, groups: int, gaps: _Pair
) -> int:
    """As for `_conv2d`, with the columns at the input's places."""
    batch, channels, *sides = x.shape
    _, made, *kernel = weight.shape
    places: int = batch * math.prod(
        max(0, (side - 1) * stride - 2 * pad + gap * (size - 1) + extra + 1)
        for side, size, stride, pad, extra, gap in zip(sides, kernel, strides, pads, extras, gaps, strict=True)
    )
    columns = max(_blocks(channels), made * math.prod(kernel))
    return max(batch * math.prod(sides) * columns, places * _blocks(made * groups))


def _blocks(channels: int) -> int:
    return -(-channels // _BLOCK) * _BLOCK


def _linear(x: Tensor, weight: Tensor, _bias: object) -> int:
    return math.prod(x.shape[:-1]) * len(weight)


def _attention(query: Tensor, key: Tensor, value: Tensor, _width: int, heads: int, *_: object, **__: object) -> int:
    """Each token's score for each other, or the three projections."""
    scores = heads * len(query) * math.prod(key.shape[:-1])
    return max(scores, query.numel() + key.numel() + value.numel())


def _interpolate(x: Tensor, *, scale_factor: float, **_: object) -> int:
    return int(x.numel() * scale_factor**2)


def _max_pool2d(x: Tensor, _kernel: object, **_: object) -> int:
    """Padding is at most half a kernel, so that a side grows by one at most."""
    return math.prod(x.shape[:-2]) * (x.shape[-2] + 1) * (x.shape[-1] + 1)


def _pad(x: Tensor, sides: Sequence[int], **_: object) -> int:
    left, right, top, bottom = sides
    return math.prod(x.shape[:-2]) * (x.shape[-2] + top + bottom) * (x.shape[-1] + left + right)


def _cat(values: Sequence[Tensor], _dim: int) -> int:
    return sum(value.numel() for value in values)


_EXPECTED: dict[object, Callable[..., int]] = {
    torch.cat: _cat,
    functional.conv2d: _conv2d,
    functional.conv_transpose2d: _conv_transpose2d,
    functional.interpolate: _interpolate,
    functional.linear: _linear,
    functional.max_pool2d: _max_pool2d,
    functional.multi_head_attention_forward: _attention,
    functional.pad: _pad,
}
