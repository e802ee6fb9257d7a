"""How much a graph makes of an image of some size, found without computing it: what would make far too much is refused.

A file of a hundred bytes can ask for gigabytes. So each operation's shapes are worked out first, and what it holds and
multiplies is held against the pixels that it is given.
"""

import math
from collections import Counter
from collections.abc import Callable

import numpy as np

from entrypoint.errors import NotADetectorError, UnsafeWeightsError
from entrypoint.models.graph import Graph, Node
from entrypoint.weights.onnxfile.call import Call, MisfitError, Shape, Size
from entrypoint.weights.onnxfile.rearranging import FURTHER, MULTIPLE
from entrypoint.weights.onnxfile.shapes import SINGLE
from entrypoint.weights.onnxfile.small import MOST_VALUES, Numbers, computed

# For each pixel of the input, and beside that: values held at once, and multiplications. The largest detectors there
# are hold 150 a pixel (YOLOv8x-p2) and multiply 260,000 times (YOLOv5x6).
_HELD, _HELD_ANYWAY = 768, 1 << 22
_WORK, _WORK_ANYWAY = 2_000_000, 1 << 30
_MOST_RANK = 8
_COUNTING = frozenset({"NonZero", "NonMaxSuppression"})  # how many values these give depends on what they see
# The first of the inputs whose numbers tell the shape that these give.
_SHAPED_BY = {"ConstantOfShape": 0, "Range": 0} | dict.fromkeys(
    ("Expand", "NonMaxSuppression", "Pad", "Reshape", "Resize", "Slice", "Split", "Tile", "TopK", "Upsample"), 1
)

SINGLE_VALUED: dict[str, Callable[[Call], Shape]] = SINGLE | FURTHER
OPERATIONS = frozenset({*SINGLE_VALUED, *MULTIPLE})
"""Every operation that a file may have."""


class Extent:
    """A graph without its weights: how large everything in it becomes, for images of any size."""

    def __init__(self, graph: Graph) -> None:
        """Raises NotADetectorError for operations that no detector has."""
        unknown = sorted({node.op for node in graph.nodes} - OPERATIONS)
        if unknown:
            raise NotADetectorError(
                f"has operations that no known export of a YOLO detector has: {', '.join(unknown)[:300]}. Bring the "
                ".pt file that it was exported from"
            )
        self._nodes, self._inputs, self._outputs = graph.nodes, tuple(graph.inputs), tuple(graph.outputs)
        self._constants = {name: _constant(values) for name, values in graph.constants.items()}
        self._uses = Counter([*graph.outputs, *(name for node in graph.nodes for name in node.inputs)])

    def output_shapes(self, shape: Shape) -> list[Shape]:
        """The shapes of the outputs for an input of that shape; a side may be the most that it can be.

        Raises NotADetectorError for operations that do not fit together, UnsafeWeightsError for what would take far
        more memory or time than a detector does.
        """
        sizes = self._constants | dict.fromkeys(self._inputs, Size(shape))
        pixels = shape[0] * math.prod(shape[2:])
        left = self._uses.copy()
        held = work = 0
        for node in self._nodes:
            found, cost = _results(node, [sizes[name] if name else None for name in node.inputs])
            sizes |= dict(zip(node.outputs, found, strict=False))
            made = sum(one.count for one in found)
            held, work = held + made, work + max(cost, made)
            if held > _HELD * pixels + _HELD_ANYWAY:
                raise _too_much(node, f"holds {held} values at once", shape)
            if work > _WORK * pixels + _WORK_ANYWAY:
                raise _too_much(node, f"multiplies {work} times", shape)
            for name in filter(None, node.inputs):
                left[name] -= 1
                if not left[name] and name not in self._constants:
                    held -= sizes[name].count
            held -= sum(sizes[name].count for name in node.outputs if name in sizes and not left[name])
        return [sizes[name].shape for name in self._outputs]


def _constant(values: np.ndarray) -> Size:
    return Size(values.shape, Numbers.known(values) if values.size <= MOST_VALUES else None)


def _results(node: Node, inputs: list[Size | None]) -> tuple[list[Size], int]:
    """What is known of a node's outputs, and what computing them costs."""
    call = Call(node, inputs)
    try:
        if node.op == "Shape":
            return [_shape_of(call)], 0
        shapes = MULTIPLE[node.op](call) if node.op in MULTIPLE else [SINGLE_VALUED[node.op](call)]
        if any(len(shape) > _MOST_RANK or min(shape, default=0) < 0 for shape in shapes):
            raise MisfitError(f"{node.op} gives {shapes}")
        numbers = _numbers(node, inputs) if sum(map(math.prod, shapes)) <= MOST_VALUES else None
    except (MisfitError, ValueError, TypeError, IndexError, KeyError, OverflowError, AttributeError) as error:
        raise NotADetectorError(f"its operations do not fit together: {node.op}: {str(error)[:200]}") from error
    exact = node.op not in _COUNTING and all(one is None or one.exact for one in inputs)
    if (first := _SHAPED_BY.get(node.op)) is not None:
        exact &= all(one is None or one.numbers is None or one.numbers.sure for one in inputs[first:])
    if node.op in ("Dropout", "BatchNormalization", "LayerNormalization", "MaxPool"):
        shapes = shapes * len(node.outputs)
    if numbers is not None and [one.least.shape for one in numbers] == shapes:
        return [Size(shape, one, exact) for shape, one in zip(shapes, numbers, strict=True)], call.work
    return [Size(shape, None, exact) for shape in shapes], call.work


def _numbers(node: Node, inputs: list[Size | None]) -> list[Numbers] | None:
    if any(one is not None and one.numbers is None for one in inputs):
        return None
    try:
        return computed(node.op, [one.numbers if one else None for one in inputs], node.attributes)
    except (ValueError, TypeError, IndexError, KeyError, OverflowError, AttributeError):
        return None


def _shape_of(call: Call) -> Size:
    size = call.size(0)
    most = np.array(size.shape[call.said("start", 0) : call.said("end", None)], np.int64)
    return Size(most.shape, Numbers.known(most) if size.exact else Numbers(np.zeros_like(most), most))


def _too_much(node: Node, what: str, shape: Shape) -> UnsafeWeightsError:
    size = " × ".join(map(str, shape[2:]))
    return UnsafeWeightsError(
        f"{what[:60]} for an image of {size} pixels, in {node.op}, far more than any detector: refused, and nothing of "
        "it was run"
    )
