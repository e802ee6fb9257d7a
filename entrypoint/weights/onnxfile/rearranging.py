"""The shapes that ONNX's other operations give: those that cut, join, lay out anew, or shape by numbers."""

import math
from collections.abc import Callable

from entrypoint.weights.onnxfile.call import Call, MisfitError, Shape, axis, broadcast


def _concat(call: Call) -> Shape:
    shapes = [one.shape for one in call.inputs if one is not None]
    if not shapes or len(set(map(len, shapes))) > 1 or not shapes[0]:
        raise MisfitError("a Concat of nothing, or of values with different axes")
    place = axis(call.said("axis", 0), len(shapes[0]))
    sides = [max(same) for same in zip(*shapes, strict=True)]
    sides[place] = sum(shape[place] for shape in shapes)
    return tuple(sides)


def _split(call: Call) -> list[Shape]:
    shape, count = call.shape(), len(call.node.outputs)
    place = axis(call.said("axis", 0), len(shape))
    parts = call.most(1) or call.said("split")
    if not parts:
        each = -(-shape[place] // count)
        parts = [min(each, max(0, shape[place] - each * number)) for number in range(count)]
    if len(parts) != count or sum(parts) != shape[place] or min(parts) < 0:
        raise MisfitError(f"a Split of {shape[place]} into {parts}")
    return [(*shape[:place], part, *shape[place + 1 :]) for part in parts]


def _slice(call: Call) -> Shape:
    shape = list(call.shape())
    starts, ends = (call.least(1), call.most(2)) if len(call.inputs) > 1 else (call.said("starts"), call.said("ends"))
    steps = call.most(4) or [1] * len(starts)
    axes = call.axes(3) or range(len(starts))
    for start, end, place, step in zip(starts, ends or (), axes, steps, strict=True):
        where = axis(place, len(shape))
        if not step:
            raise MisfitError("a Slice in steps of 0")
        if len(call.inputs) < 3 or all(_is_sure(call, one) for one in (1, 2)):  # of fewer values never more are cut
            before_first = step < 0 and end < -shape[where]
            shape[where] = len(range(*slice(start, None if before_first else end, step).indices(shape[where])))
        elif end is not None and end >= 0 and start >= 0 and step > 0:
            shape[where] = min(shape[where], -(-max(0, end - start) // step))
    return tuple(shape)


def _is_sure(call: Call, place: int) -> bool:
    numbers = call.size(place).numbers
    return numbers is not None and numbers.sure


def _gather(call: Call) -> Shape:
    shape = call.shape()
    place = axis(call.said("axis", 0), len(shape))
    return (*shape[:place], *call.shape(1), *shape[place + 1 :])


def _gather_nd(call: Call) -> Shape:
    shape, indices, batch = call.shape(), call.shape(1), call.said("batch_dims", 0)
    if not indices or not 0 < indices[-1] <= len(shape) - batch:
        raise MisfitError(f"a GatherND of {shape} by {indices}")
    return (*indices[:-1], *shape[batch + indices[-1] :])


def _reshape(call: Call) -> Shape:
    shape, wanted = call.shape(), call.most(1) or []
    keep = not call.said("allowzero", 0)
    if any(side == 0 and keep and place >= len(shape) for place, side in enumerate(wanted)) or wanted.count(-1) > 1:
        raise MisfitError(f"a Reshape of {shape} to {wanted}")
    sides = [shape[place] if side == 0 and keep else side for place, side in enumerate(wanted)]
    count, others = math.prod(shape), math.prod(side for side in sides if side != -1)
    if -1 in sides:
        if call.size(0).exact and others and count % others:
            raise MisfitError(f"a Reshape of {shape} to {wanted}")
        sides[sides.index(-1)] = count // others if others else 0
    elif call.size(0).exact and _is_sure(call, 1) and math.prod(sides) != count:
        raise MisfitError(f"a Reshape of {shape} to {wanted}")
    return tuple(sides)


def _flatten(call: Call) -> Shape:
    shape, place = call.shape(), call.said("axis", 1)
    place = place if place >= 0 else place + len(shape)
    return math.prod(shape[:place]), math.prod(shape[place:])


def _squeeze(call: Call) -> Shape:
    shape, axes = call.shape(), call.axes(1)
    if axes is None and not call.size(0).exact:
        raise MisfitError("a Squeeze of axes that cannot be told before it runs")
    gone = {axis(one, len(shape)) for one in axes} if axes is not None else {n for n, s in enumerate(shape) if s == 1}
    if call.size(0).exact and any(shape[place] != 1 for place in gone):
        raise MisfitError(f"a Squeeze of {shape} by {axes}")
    return tuple(side for place, side in enumerate(shape) if place not in gone)


def _unsqueeze(call: Call) -> Shape:
    shape, axes = call.shape(), call.axes(1) or ()
    rank = len(shape) + len(axes)
    new = {axis(one, rank) for one in axes}
    if len(new) != len(axes):
        raise MisfitError(f"an Unsqueeze by {axes}")
    rest = iter(shape)
    return tuple(1 if place in new else next(rest) for place in range(rank))


def _transpose(call: Call) -> Shape:
    shape = call.shape()
    order = call.said("perm") or tuple(reversed(range(len(shape))))
    if sorted(order) != list(range(len(shape))):
        raise MisfitError(f"a Transpose of {shape} by {order}")
    return tuple(shape[place] for place in order)


def _expand(call: Call) -> Shape:
    exact = call.size(0).exact and _is_sure(call, 1)
    return broadcast(call.shape(), tuple(call.most(1) or ()), exact=exact)


def _tile(call: Call) -> Shape:
    repeats = call.most(1) or []
    if len(repeats) != len(call.shape()):
        raise MisfitError("a Tile that does not fit")
    return tuple(side * times for side, times in zip(call.shape(), repeats, strict=True))


def _pad(call: Call) -> Shape:
    shape, pads = call.shape(), call.most(1) if len(call.inputs) > 1 else call.said("pads")
    axes = [axis(one, len(shape)) for one in call.axes(3) or range(len(shape))]
    if not pads or len(pads) != 2 * len(axes):
        raise MisfitError("a Pad that does not fit")
    sides = list(shape)
    for place, where in enumerate(axes):
        sides[where] += pads[place] + pads[place + len(axes)]
    return tuple(sides)


def _resize(call: Call) -> Shape:
    shape = call.shape()
    if call.said("axes"):
        raise MisfitError("a Resize of some axes")
    if len(call.inputs) > 3 and call.inputs[3] is not None:
        sizes = call.most(3) or []
    else:
        scales = call.size(2 if len(call.inputs) > 2 else 1).numbers
        if scales is None:
            raise MisfitError("a Resize to a size that cannot be told before it runs")
        sizes = [math.floor(side * scale) for side, scale in zip(shape, scales.most.reshape(-1).tolist(), strict=True)]
    if len(sizes) != len(shape):
        raise MisfitError("a Resize that does not fit")
    return tuple(sizes)


def _range(call: Call) -> Shape:
    most = [call.size(place).numbers for place in range(3)]
    if any(one is None for one in most):
        raise MisfitError("a Range whose end cannot be told before it runs")
    start, limit, delta = (one for one in most if one is not None)
    step = float(delta.least)
    if not step or not delta.sure:
        raise MisfitError("a Range in steps of 0, or of none that can be told")
    reach = float(limit.most) - float(start.least) if step > 0 else float(limit.least) - float(start.most)
    return (max(0, math.ceil(min(reach / step, 1e18))),)


def _of_shape(call: Call) -> Shape:
    return tuple(call.most(0) or ())


def _nonzero(call: Call) -> Shape:
    return len(call.shape()), call.size(0).count


def _top(call: Call) -> list[Shape]:
    shape, most = list(call.shape()), call.most(1) if len(call.inputs) > 1 else [call.said("k", 0)]
    where = axis(call.said("axis", -1), len(shape))
    shape[where] = min(shape[where], (most or [0])[0])
    call.work = call.size(0).count * 16
    return [tuple(shape)] * 2


MULTIPLE: dict[str, Callable[[Call], list[Shape]]] = {
    "DynamicQuantizeLinear": lambda call: [call.shape(), (), ()],
    "Split": _split,
    "TopK": _top,
}
"""What gives several values, by operation."""
FURTHER: dict[str, Callable[[Call], Shape]] = {
    "Concat": _concat,
    "ConstantOfShape": _of_shape,
    "Expand": _expand,
    "Flatten": _flatten,
    "Gather": _gather,
    "GatherElements": lambda call: call.shape(1),
    "GatherND": _gather_nd,
    "NonZero": _nonzero,
    "Pad": _pad,
    "Range": _range,
    "Reshape": _reshape,
    "Resize": _resize,
    "Shape": lambda call: (len(call.shape()),),
    "Size": lambda _: (),
    "Slice": _slice,
    "Squeeze": _squeeze,
    "Tile": _tile,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
    "Upsample": _resize,
}
"""What gives one value, by operation, beside `shapes.SINGLE`."""
