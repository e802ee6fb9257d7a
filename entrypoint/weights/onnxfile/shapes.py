"""The shapes that ONNX's operations give, and what computing them costs: of every operation that a detector may have.

An operation that is not here is refused. A side may be an upper bound, where it depends on what the network sees.
"""

import math
from collections.abc import Callable, Sequence

from entrypoint.weights.onnxfile.call import Call, MisfitError, Shape, axis, broadcast


def _same(call: Call) -> Shape:
    return call.shape()


def _broadcast_all(call: Call) -> Shape:
    present = [one for one in call.inputs if one is not None]
    return broadcast(*(one.shape for one in present), exact=all(one.exact for one in present))


def _window(call: Call, sides: Shape, kernel: Sequence[int]) -> list[int]:
    """How often a kernel fits along each side."""
    strides, dilations = call.said("strides") or (1,) * len(kernel), call.said("dilations") or (1,) * len(kernel)
    pads = call.said("pads") or (0,) * (2 * len(kernel))
    if not len(sides) == len(kernel) == len(strides) == len(dilations) == len(pads) // 2:
        raise MisfitError(f"{call.node.op} over {len(sides)} sides with a kernel of {len(kernel)}")
    if min(*kernel, *strides, *dilations) < 1 or min(pads) < 0:
        raise MisfitError(f"{call.node.op} with strides {strides}")
    mode, up = call.said("auto_pad") or "NOTSET", call.said("ceil_mode", 0)
    found = []
    for place, (side, size, step, gap) in enumerate(zip(sides, kernel, strides, dilations, strict=True)):
        if mode.startswith("SAME"):
            found.append(-(-side // step))
            continue
        room = side + (pads[place] + pads[place + len(kernel)] if mode == "NOTSET" else 0) - gap * (size - 1) - 1
        found.append((-(-room // step) if up else room // step) + 1)
    return found


def _conv(call: Call, weight: int = 1) -> Shape:
    x, (made, taken, *kernel) = call.shape(), call.shape(weight)
    group = call.said("group", 1)
    if len(x) != len(kernel) + 2 or group < 1 or x[1] != taken * group or made % group:
        raise MisfitError(f"{call.node.op} of shape {call.shape(weight)} on {x}")
    shape = (x[0], made, *_window(call, x[2:], kernel))
    call.work = math.prod(shape) * taken * math.prod(kernel)
    return shape


def _conv_transpose(call: Call) -> Shape:
    x, (taken, made, *kernel) = call.shape(), call.shape(1)
    group, count = call.said("group", 1), len(kernel)
    if len(x) != count + 2 or x[1] != taken or call.said("auto_pad", "NOTSET") != "NOTSET" or call.said("output_shape"):
        raise MisfitError(f"ConvTranspose of shape {call.shape(1)} on {x}")
    strides, pads = call.said("strides") or (1,) * count, call.said("pads") or (0,) * 2 * count
    gaps, more = call.said("dilations") or (1,) * count, call.said("output_padding") or (0,) * count
    sides = [
        (side - 1) * strides[n] - pads[n] - pads[n + count] + gaps[n] * (kernel[n] - 1) + more[n] + 1
        for n, side in enumerate(x[2:])
    ]
    call.work = math.prod(x) * made * math.prod(kernel)
    return (x[0], made * group, *sides)


def _pool(call: Call) -> Shape:
    x, kernel = call.shape(), call.said("kernel_shape") or ()
    shape = (*x[:2], *_window(call, x[2:], kernel))
    call.work = math.prod(shape) * math.prod(kernel)
    return shape


def _matmul(call: Call, other: int = 1) -> Shape:
    x, y = call.shape(), call.shape(other)
    if len(x) < 2 or len(y) < 2 or x[-1] != y[-2]:
        raise MisfitError(f"a product of {x} and {y}")
    shape = (*broadcast(x[:-2], y[:-2]), x[-2], y[-1]) if x[:-2] or y[:-2] else (x[-2], y[-1])
    call.work = math.prod(shape) * x[-1]
    return shape


def _gemm(call: Call) -> Shape:
    x, y = call.shape(), call.shape(1)
    if len(x) != 2 or len(y) != 2:
        raise MisfitError(f"a product of {x} and {y}")
    rows, inner = x[::-1] if call.said("transA", 0) else x
    columns = y[0] if call.said("transB", 0) else y[1]
    call.work = rows * inner * columns
    return rows, columns


def _reduce(call: Call) -> Shape:
    shape = call.shape()
    axes = call.axes(1)
    gone = {axis(one, len(shape)) for one in axes} if axes else set(range(len(shape)))
    if call.said("noop_with_empty_axes", 0) and not axes:
        gone = set()
    call.work = math.prod(shape)
    return _without(shape, gone, bool(call.said("keepdims", 1)))


def _best(call: Call) -> Shape:
    shape = call.shape()
    call.work = math.prod(shape)
    return _without(shape, {axis(call.said("axis", 0), len(shape))}, bool(call.said("keepdims", 1)))


def _without(shape: Shape, gone: set[int], keep: bool) -> Shape:
    return tuple(1 if place in gone else side for place, side in enumerate(shape) if keep or place not in gone)


def _global_pool(call: Call) -> Shape:
    shape = call.shape()
    call.work = math.prod(shape)
    return (*shape[:2], *(1 for _ in shape[2:]))


def _depth_to_space(call: Call) -> Shape:
    (batch, channels, *sides), gain = call.shape(), call.said("blocksize", 0)
    if gain < 1 or channels % gain**2:
        raise MisfitError(f"{channels} channels in blocks of {gain}")
    return (batch, channels // gain**2, *(side * gain for side in sides))


def _space_to_depth(call: Call) -> Shape:
    (batch, channels, *sides), gain = call.shape(), call.said("blocksize", 0)
    if gain < 1 or any(side % gain for side in sides):
        raise MisfitError(f"{sides} pixels in blocks of {gain}")
    return (batch, channels * gain**2, *(side // gain for side in sides))


def _suppression(call: Call) -> Shape:
    (batch, boxes, _), (_, classes, _) = call.shape(), call.shape(1)
    most = min(boxes, max(0, (call.most(2) or [0])[0]))
    call.work = batch * classes * boxes * most
    return batch * classes * most, 3


_ELEMENTWISE = (
    "Abs BatchNormalization Cast Ceil Clip CumSum DequantizeLinear Dropout Elu Erf Exp Floor Gelu HardSigmoid "
    "HardSwish Identity LayerNormalization LeakyRelu Log LogSoftmax Mish Neg Not QuantizeLinear Reciprocal Relu Round "
    "ScatterElements ScatterND Selu Sigmoid Sign Softmax Softplus Softsign Sqrt Tanh Trilu"
)
_BROADCAST = "Add And Div Equal Greater GreaterOrEqual Less LessOrEqual Max Min Mod Mul Or Pow PRelu Sub Where Xor"
_REDUCTIONS = "ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceL2 ReduceSumSquare"

SINGLE: dict[str, Callable[[Call], Shape]] = {
    **dict.fromkeys(_ELEMENTWISE.split(), _same),
    **dict.fromkeys(_BROADCAST.split(), _broadcast_all),
    **dict.fromkeys(_REDUCTIONS.split(), _reduce),
    "ArgMax": _best,
    "ArgMin": _best,
    "AveragePool": _pool,
    "Conv": _conv,
    "ConvInteger": _conv,
    "ConvTranspose": _conv_transpose,
    "DepthToSpace": _depth_to_space,
    "Gemm": _gemm,
    "GlobalAveragePool": _global_pool,
    "GlobalMaxPool": _global_pool,
    "MatMul": _matmul,
    "MatMulInteger": _matmul,
    "MaxPool": _pool,
    "NonMaxSuppression": _suppression,
    "QLinearConv": lambda call: _conv(call, 3),
    "QLinearMatMul": lambda call: _matmul(call, 3),
    "SpaceToDepth": _space_to_depth,
}
"""What gives one value, by operation."""
