"""An ONNX file as a graph: only what a detector can be made of is taken from it, and nothing else reaches an engine."""

import mmap
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from entrypoint.errors import NotADetectorError, UnsafeWeightsError, WeightsError
from entrypoint.host.memory import is_out_of_memory
from entrypoint.models.graph import Graph, Node
from entrypoint.weights.onnxfile.nodes import DOMAINS, read_node
from entrypoint.weights.onnxfile.tensors import DTYPES, tensor
from entrypoint.weights.onnxfile.wire import Budget, beginning, body_of, fields, name_of, number_of, signed, text

_MOST_BYTES = (1 << 31) - 1  # of a protobuf message
_MOST_FIELDS = 300_000  # the largest of ultralytics' exports has 60,000
_MOST_NODES, _MOST_METADATA, _MOST_TEXT = 20_000, 100, 1 << 18
_OPSETS = range(9, 24)


@dataclass(slots=True)
class OnnxModel:
    """What a file holds. `metadata`: as its export tool wrote it. `graph`: its inputs are those that are no weights."""

    graph: Graph
    opset: int = 0
    producer: str = ""
    producer_version: str = ""
    metadata: dict[str, str] = field(default_factory=dict)


def read_model(path: Path) -> OnnxModel:
    """The model in a file, its weights as views of it, which must stay as it is while they are in use.

    Raises UnsafeWeightsError for a file that is built to harm or is damaged, NotADetectorError for one that no detector
    comes as, WeightsError where it cannot be read.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            if not 0 < size <= _MOST_BYTES:
                raise WeightsError(f"has {size} bytes; an ONNX file has at most {_MOST_BYTES}")
            data = memoryview(mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ))
    except OSError as error:
        if is_out_of_memory(error):
            raise
        raise WeightsError(f"cannot be read: {error.strerror}") from error
    return parse_model(data)


def parse_model(data: memoryview) -> OnnxModel:
    """The model whose bytes these are. Raises as `read_model` does."""
    budget = Budget(_MOST_FIELDS)
    model = OnnxModel(Graph({}))
    graphs: list[memoryview] = []
    for number, value in fields(data, budget):
        if number == 2:
            model.producer = beginning(value)
        elif number == 3:
            model.producer_version = beginning(value)
        elif number == 7:
            graphs.append(body_of(value))
        elif number == 8:
            opset = dict(fields(body_of(value), budget))
            if beginning(opset.get(1, memoryview(b""))) in DOMAINS:
                model.opset = number_of(opset.get(2, 0))
        elif number == 14 and len(model.metadata) < _MOST_METADATA:
            entry = dict(fields(body_of(value), budget))
            key, said = (entry.get(part, memoryview(b"")) for part in (1, 2))
            model.metadata[beginning(key)] = text(body_of(said)[:_MOST_TEXT])
        elif number == 25:
            raise UnsafeWeightsError("defines operations of its own, and no export of a YOLO detector does")
    if len(graphs) != 1:
        raise UnsafeWeightsError(f"holds {len(graphs)} graphs, expected one")
    if model.opset not in _OPSETS:
        raise NotADetectorError(
            f"is written in version {model.opset} of ONNX's operations; expected {_OPSETS[0]} to {_OPSETS[-1]}. Export "
            "it again with another --opset"
        )
    model.graph.opset = model.opset
    _read_graph(graphs[0], model.graph, budget)
    return model


def _read_graph(message: memoryview, graph: Graph, budget: Budget) -> None:
    inputs: dict[str, memoryview] = {}
    for number, value in fields(message, budget):
        if number == 1:
            graph.nodes.append(read_node(body_of(value), budget))
            if len(graph.nodes) > _MOST_NODES:
                raise UnsafeWeightsError(f"holds more than {_MOST_NODES} operations, and no detector does")
        elif number == 5:
            name, values = tensor(body_of(value), budget)
            graph.constants[name] = values
        elif number == 11:
            declared = dict(fields(body_of(value), budget))
            inputs[name_of(declared.get(1, 0))] = body_of(declared.get(2, memoryview(b"")))
        elif number == 12:
            graph.outputs.append(name_of(dict(fields(body_of(value), budget)).get(1, 0)))
        elif number == 15:
            raise UnsafeWeightsError("holds sparse weights, and no export of a YOLO detector does")
    for name, kind in inputs.items():  # those of older files list their weights here as well
        if name not in graph.constants:
            graph.inputs[name], graph.dtypes[name] = _declared(kind, budget)
    _lift_constants(graph)
    _sort(graph)


def _lift_constants(graph: Graph) -> None:
    """Make constants of the operations that only hold one."""
    left = []
    for node in graph.nodes:
        value = node.attributes.get("value") if node.op == "Constant" else None
        if node.op == "Constant" and value is None:
            kind, value = next(iter(node.attributes.items()), ("", 0))
            value = np.array(value, np.float32 if kind.startswith("value_float") else np.int64)
        if node.op != "Constant":
            left.append(node)
        elif len(node.outputs) == 1 and isinstance(value, np.ndarray) and node.outputs[0] not in graph.constants:
            graph.constants[node.outputs[0]] = value
        else:
            raise UnsafeWeightsError("holds a constant without a value, or two of one name")
    graph.nodes[:] = left


def _sort(graph: Graph) -> None:
    """Bring the operations into an order in which each value is made before it is used: tools add some at the end.

    Each value is made once, and nothing goes round in circles. The order of a file that has one already stays.
    """
    known = {*graph.inputs, *graph.constants}
    ordered: list[Node] = []
    waiting: dict[str, list[int]] = {}  # operations by a value that they lack
    lacking: dict[int, int] = {}  # how many values an operation lacks
    for number, node in enumerate(graph.nodes):
        late = {name for name in node.inputs if name and name not in known}
        for name in late:
            waiting.setdefault(name, []).append(number)
        lacking[number] = len(late)
        ready = [] if late else [number]
        while ready:
            done = ready.pop()
            ordered.append(graph.nodes[done])
            for name in filter(None, graph.nodes[done].outputs):
                if name in known:
                    raise UnsafeWeightsError(f"makes the value {name[:100]!r} twice")
                known.add(name)
                for other in waiting.pop(name, ()):
                    lacking[other] -= 1
                    if not lacking[other]:
                        ready.append(other)
    if waiting:
        name, (first, *_) = next(iter(waiting.items()))
        raise UnsafeWeightsError(
            f"uses a value that is never made ({name[:100]!r} in {graph.nodes[first].op[:100]!r}): its operations form "
            "a circle, or the file is damaged"
        )
    if not graph.outputs or not known.issuperset(graph.outputs):
        raise UnsafeWeightsError("has outputs that nothing in it makes, or none")
    graph.nodes[:] = ordered


def _declared(kind: memoryview, budget: Budget) -> tuple[tuple[int | str, ...], str]:
    """The shape of an input, a side that may vary as text, and the NumPy type of its values."""
    tensor_type = dict(fields(kind, budget)).get(1)
    if tensor_type is None:
        raise NotADetectorError("has an input that is no tensor")
    parts = dict(fields(body_of(tensor_type), budget))
    sides: list[int | str] = []
    for number, side in fields(body_of(parts.get(2, memoryview(b""))), budget):
        if number == 1:
            said = dict(fields(body_of(side), budget))
            fixed = signed(number_of(said.get(1, 0)))
            sides.append(fixed if fixed > 0 else f"side{len(sides)}")
    return tuple(sides), DTYPES.get(number_of(parts.get(1, 0)), "")
