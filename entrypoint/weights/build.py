"""From the nodes of a classic YOLOv5 checkpoint to a network that can run, checking every value on the way."""

import math
from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from entrypoint import memory
from entrypoint.errors import NotADetectorError, WeightsError
from entrypoint.model.head import Detect
from entrypoint.model.network import Network, Step
from entrypoint.weights.layerbuilders import build_layer
from entrypoint.weights.part import Allowance, Part, shown

# detect.py pads to multiples of at least this: a head may end before the coarsest of the layers it draws on.
_LEAST_STRIDE = 32
_MAX_SOURCES = 32
# Values that one function may make of an image of two strides by two, and all together: of the YOLOv5 that makes the
# most, a P7 of width x, 3 and 120 million.
_MAX_OUTPUT, _MAX_TOTAL = 1 << 24, 1 << 28
# oneDNN computes convolutions on channels in blocks of this many.
_BLOCK = 16
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


def _step(part: Part, position: int) -> Step:
    source = part.value("f")
    many = isinstance(source, (list, tuple))
    if many and len(source) > _MAX_SOURCES:
        raise part.wrong(f"reads from {len(source)} layers, expected at most {_MAX_SOURCES}")
    indices = tuple(source) if many else (source,)
    for index in indices:
        if not isinstance(index, int) or not (index == -1 or -position <= index < position):
            raise part.wrong(f"reads from layer {shown(index)}, which is not before it")
    return Step(indices, many)


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


def _try_out(network: Network) -> None:
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
