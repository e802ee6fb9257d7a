"""ONNX files that mean harm: by what they ask for, by where they look, by their wiring, and by their bytes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
IMAGE: tuple[int | str, ...] = (1, 3, 64, 64)
Node = tuple[str, Sequence[str], Sequence[str], dict[str, Any]]


def graphs() -> dict[str, bytes]:
    """Whole files by what they try."""
    return {
        f"ONNX: {name}": data
        for part in (_bombs(), _elsewhere(), _wiring(), _names(), _bytes())
        for name, data in part.items()
    }


def _model(
    nodes: Sequence[Node | onnx.NodeProto],
    constants: Sequence[TensorProto] = (),
    shape: Sequence[int | str] = IMAGE,
    kind: int = FLOAT,
    opset: int = 17,
    metadata: dict[str, str] | None = None,
) -> onnx.ModelProto:
    made = [
        node if isinstance(node, onnx.NodeProto) else helper.make_node(node[0], node[1], node[2], **node[3])
        for node in nodes
    ]
    pixels = helper.make_tensor_value_info("images", kind, shape)
    out = helper.make_tensor_value_info("output0", FLOAT, None)
    graph = helper.make_graph(made, "hostile", [pixels], [out], list(constants))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    for key, value in (metadata or {}).items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    return model


def _file(*arguments: Any, **options: Any) -> bytes:
    return _model(*arguments, **options).SerializeToString()  # type: ignore[no-any-return]


def _ints(name: str, *values: int) -> TensorProto:
    return helper.make_tensor(name, INT64, [len(values)], list(values))


def _chain(op: str, count: int, **attributes: Any) -> list[Node]:
    names = ["images", *(f"v{number}" for number in range(count - 1)), "output0"]
    return [(op, [names[n]], [names[n + 1]], attributes) for n in range(count)]


def _bombs() -> dict[str, bytes]:
    huge = helper.make_tensor("value", FLOAT, [1], [1.0])
    doubled: list[Node] = [("Concat", ["images", "images"], ["v0"], {"axis": 0})]
    doubled += [("Concat", [f"v{n}"] * 2, [f"v{n + 1}"], {"axis": 0}) for n in range(40)]
    doubled.append(("Identity", ["v40"], ["output0"], {}))
    kept: list[Node] = [("Sigmoid", ["images"], [f"k{n}"], {}) for n in range(15_000)]
    kept.append(("Sum", [f"k{n}" for n in range(15_000)], ["output0"], {}))
    held: list[Node] = [("Sigmoid", ["images"], [f"k{n}"], {}) for n in range(15_000)]
    held.append(("Concat", [f"k{n}" for n in range(15_000)], ["output0"], {"axis": 0}))
    weight = helper.make_tensor("w", FLOAT, [64, 64, 1, 1], np.zeros(4096, np.float32).tobytes(), raw=True)
    by_size: list[Node] = [
        ("Shape", ["images"], ["s"], {}),
        ("Gather", ["s", "two"], ["h"], {}),
        ("Mul", ["h", "h"], ["h2"], {}),
        ("Mul", ["h2", "h2"], ["h4"], {}),
        ("ConstantOfShape", ["h4"], ["output0"], {}),
    ]
    by_count: list[Node] = [
        ("NonZero", ["images"], ["n"], {}),
        ("Shape", ["n"], ["s"], {}),
        ("Mul", ["s", "many"], ["m"], {}),
        ("ConstantOfShape", ["m"], ["output0"], {}),
    ]
    suppress: list[Node] = [
        ("Reshape", ["images", "boxes"], ["b"], {}),
        ("Reshape", ["images", "scores"], ["c"], {}),
        ("NonMaxSuppression", ["b", "c", "most"], ["n"], {}),
        ("Cast", ["n"], ["output0"], {"to": FLOAT}),
    ]
    return {
        "2 GiB by ConstantOfShape": _file([("ConstantOfShape", ["s"], ["output0"], {})], [_ints("s", 1 << 29)]),
        "2 GiB by ConstantOfShape, with a value": _file(
            [("ConstantOfShape", ["s"], ["output0"], {"value": huge})], [_ints("s", 1 << 15, 1 << 14)]
        ),
        "2 to the 60 by ConstantOfShape": _file(
            [("ConstantOfShape", ["s"], ["output0"], {})], [_ints("s", *[1 << 20] * 3)]
        ),
        "2 GiB by Expand": _file([("Expand", ["images", "s"], ["output0"], {})], [_ints("s", 1 << 17, 3, 64, 64)]),
        "2 GiB by Tile": _file([("Tile", ["images", "s"], ["output0"], {})], [_ints("s", 1 << 17, 1, 1, 1)]),
        "2 GiB by Pad": _file([("Pad", ["images", "s"], ["output0"], {})], [_ints("s", *[0] * 7, 1 << 24)]),
        "2 GiB by Resize": _file(
            [("Resize", ["images", "", "s"], ["output0"], {})],
            [helper.make_tensor("s", FLOAT, [4], [1.0, 1.0, 400.0, 400.0])],
        ),
        "2 GiB by Range": _file(
            [("Range", ["a", "b", "c"], ["output0"], {})],
            [helper.make_tensor(name, INT64, [], [value]) for name, value in (("a", 0), ("b", 1 << 28), ("c", 1))],
        ),
        "a range in steps of zero": _file(
            [("Range", ["a", "b", "c"], ["output0"], {})],
            [helper.make_tensor(name, INT64, [], [value]) for name, value in (("a", 0), ("b", 9), ("c", 0))],
        ),
        "a range of floats without an end": _file(
            [("Range", ["a", "b", "c"], ["output0"], {})],
            [helper.make_tensor(name, FLOAT, [], [value]) for name, value in (("a", 0), ("b", 1e38), ("c", 1e-38))],
        ),
        "a size that grows with the image's": _file(by_size, [_ints("two", 2)], (1, 3, "h", "w")),
        "a size that grows with what it sees": _file(by_count, [_ints("many", 1 << 16)]),
        "NMS of more boxes than there are pixels": _file(
            suppress, [_ints("boxes", 3072, 1, 4), _ints("scores", 3072, 4, 1), _ints("most", 1 << 30)]
        ),
        "twice as much in each of 40 steps": _file(doubled),
        "15,000 values held at once": _file(held),
        "15,000 values for an operation that none has": _file(kept),
        "20 million padded pixels convolved": _file(
            [
                ("Pad", ["images", "s"], ["p"], {}),
                ("Conv", ["p", "w3"], ["c"], {}),
                *(("Conv", ["c" if not n else f"c{n}", "w"], [f"c{n + 1}"], {}) for n in range(500)),
                ("Identity", ["c500"], ["output0"], {}),
            ],
            [
                _ints("s", *[0] * 6, 400, 400),
                weight,
                helper.make_tensor("w3", FLOAT, [64, 3, 1, 1], np.zeros(192, np.float32).tobytes(), raw=True),
            ],
        ),
        "an image of 2 GiB": _file(_chain("Sigmoid", 1), (), (1, 3, 16384, 16384)),
        "a batch of a billion": _file(_chain("Sigmoid", 1), (), (1 << 30, 3, 64, 64)),
        "a matrix product of 65,536 rows": _file(
            [
                ("Expand", ["one", "s"], ["a"], {}),
                ("Transpose", ["a"], ["b"], {}),
                ("MatMul", ["a", "b"], ["output0"], {}),
            ],
            [helper.make_tensor("one", FLOAT, [1, 1], [1.0]), _ints("s", 65536, 64)],
        ),
    }


def _elsewhere() -> dict[str, bytes]:
    found = {}
    for what, place in (
        ("a file beside it", "weights.bin"),
        ("a file above it", "../../../../etc/passwd"),
        ("a file of the system", "/etc/passwd"),
        ("a device without an end", "/dev/zero"),
    ):
        values = TensorProto(name="w", data_type=FLOAT, dims=[64, 3, 1, 1], data_location=TensorProto.EXTERNAL)
        entry = values.external_data.add()
        entry.key, entry.value = "location", place
        found[f"weights in {what}"] = _file([("Conv", ["images", "w"], ["output0"], {})], [values])
    without_mark = TensorProto(name="w", data_type=FLOAT, dims=[1], raw_data=bytes(4))
    entry = without_mark.external_data.add()
    entry.key, entry.value = "location", "weights.bin"
    inside = TensorProto(data_type=FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    entry = inside.external_data.add()
    entry.key, entry.value = "location", "/dev/zero"
    return {
        **found,
        "weights here and elsewhere": _file([("Mul", ["images", "w"], ["output0"], {})], [without_mark]),
        "a constant in a device": _file(
            [("Constant", [], ["c"], {"value": inside}), ("Mul", ["images", "c"], ["output0"], {})]
        ),
    }


def _wiring() -> dict[str, bytes]:
    deep: onnx.GraphProto | None = None
    for _ in range(40):
        node = (
            helper.make_node("If", ["c"], ["y"], then_branch=deep, else_branch=deep)
            if deep
            else helper.make_node("Identity", ["c"], ["y"])
        )
        deep = helper.make_graph([node], "g", [], [helper.make_tensor_value_info("y", FLOAT, None)])
        if deep.ByteSize() > 200_000:
            break
    endless = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["d"]), helper.make_node("Identity", ["x"], ["y"])],
        "body",
        [
            helper.make_tensor_value_info(name, kind, [])
            for name, kind in (("i", INT64), ("c", TensorProto.BOOL), ("x", FLOAT))
        ],
        [helper.make_tensor_value_info(name, kind, []) for name, kind in (("d", TensorProto.BOOL), ("y", FLOAT))],
    )
    two_inputs = _model([("Add", ["images", "more"], ["output0"], {})])
    two_inputs.graph.input.append(helper.make_tensor_value_info("more", FLOAT, [1]))
    own = _model([("Own", ["images"], ["output0"], {})])
    own.functions.append(
        helper.make_function(
            "", "Own", ["x"], ["y"], [helper.make_node("Own", ["x"], ["y"])], [helper.make_opsetid("", 17)]
        )
    )
    sparse = _model(_chain("Sigmoid", 1))
    sparse.graph.sparse_initializer.add().dims.extend([1 << 40])
    custom = helper.make_node("EfficientNMS_TRT", ["images"], ["output0"], domain="TRT")
    python = helper.make_node(
        "PyOp", ["images"], ["output0"], domain="ai.onnx.contrib", code="import os; os.system('true')"
    )
    return {
        "two operations that feed each other": _file(
            [("Add", ["images", "b"], ["a"], {}), ("Sigmoid", ["a"], ["b"], {}), ("Sigmoid", ["b"], ["output0"], {})]
        ),
        "an operation that feeds itself": _file([("Add", ["images", "output0"], ["output0"], {})]),
        "a value made twice": _file([*_chain("Sigmoid", 1), *_chain("Relu", 1)]),
        "a value in place of the image": _file([("Sigmoid", ["images"], ["images"], {}), *_chain("Relu", 1)]),
        "an output that nothing makes": _file([("Sigmoid", ["images"], ["other"], {})]),
        "a value that nothing makes": _file([("Add", ["images", "nowhere"], ["output0"], {})]),
        "subgraphs within each other": _file(
            [helper.make_node("If", ["images"], ["output0"], then_branch=deep, else_branch=deep)]
        ),
        "a loop without an end": _file([helper.make_node("Loop", ["", "", "images"], ["output0"], body=endless)]),
        "two inputs": two_inputs.SerializeToString(),
        "a function that calls itself": own.SerializeToString(),
        "sparse weights": sparse.SerializeToString(),
        "an operation of TensorRT's": _file([custom]),
        "an operation that is Python": _file([python]),
        "an operation that reads files": _file([("ImageDecoder", ["images"], ["output0"], {})], opset=20),
        "an operation with a name of 1 MB": _file([("S" * 1_000_000, ["images"], ["output0"], {})]),
        "25,000 operations": _file(_chain("Sigmoid", 25_000)),
        "four channels": _file(_chain("Sigmoid", 1), (), (1, 4, 64, 64)),
        "channels last": _file(_chain("Sigmoid", 1), (), (1, 64, 64, 3)),
        "an image of text": _file(_chain("Identity", 1), (), IMAGE, TensorProto.STRING),
        "an operations' version of the future": _file(_chain("Sigmoid", 1), opset=9999),
        "no output": _model(_chain("Sigmoid", 1)).SerializeToString().replace(b"output0", b"outputX", 1),
    }


def _names() -> dict[str, bytes]:
    said = {
        "a call for names": "__import__('os').system('touch canary')",
        "names without an end": "[" * 200_000,
        "a power for names": "9**9**9",
        "a name of 1 MB": "{0: '" + "a" * 1_000_000 + "'}",
    }
    found = {what: _file(_chain("Sigmoid", 1), metadata={"names": names}) for what, names in said.items()}
    found["a task of another kind"] = _file(_chain("Sigmoid", 1), metadata={"task": "classify", "names": "{0: 'a'}"})
    return found


def _bytes() -> dict[str, bytes]:
    def tensor(**fields: Any) -> bytes:
        values = TensorProto(name="w", data_type=FLOAT, dims=[1])
        for name, value in fields.items():
            if isinstance(value, list):
                values.ClearField(name)
                getattr(values, name).extend(value)
            else:
                setattr(values, name, value)
        return _file([("Mul", ["images", "w"], ["output0"], {})], [values])

    honest = _file(_chain("Sigmoid", 3))
    bare = b"\x08\x08\x42\x02\x10\x11"  # versions of the format and of the operations
    return {
        "a tensor of 2 to the 62 values": tensor(dims=[1 << 31, 1 << 31], raw_data=bytes(4)),
        "a tensor that claims 2 GiB": tensor(dims=[1 << 29], raw_data=bytes(4)),
        "a tensor with a negative side": tensor(dims=[-1, -4], raw_data=bytes(16)),
        "a tensor of a thousand sides": tensor(dims=[1] * 1000, raw_data=bytes(4)),
        "a tensor of text": tensor(data_type=TensorProto.STRING, string_data=[b"x"]),
        "a tensor of no known type": tensor(data_type=99, raw_data=bytes(4)),
        "a tensor of three bytes": tensor(raw_data=bytes(3)),
        "a tensor written in two ways": tensor(raw_data=bytes(4), float_data=[1.0]),
        "a tensor with too many numbers": tensor(data_type=INT64, int64_data=[1] * 2_000_000),
        "two graphs": honest + honest,
        "a graph that claims 2 GiB": bare + b"\x3a\xff\xff\xff\xff\x07" + bytes(40),
        "a graph cut short": honest[: len(honest) // 2],
        "a node that claims more than its graph": bare + b"\x3a\x06\x0a\xff\x01\x0a\x01a",
        "a number without an end": bare + b"\x3a\x0c\x0a\x0a" + b"\xff" * 10,
        "a field of a group": bare + b"\x3a\x02\x0b\x0c",
        "a million empty nodes": bare + b"\x3a\x80\x89\x7a" + b"\x0a\x00" * 1_000_000,
        "text in place of the graph": bare + b"\x3a\x05hello",
        "zeros in place of the graph": bare + b"\x3a\x80\x01" + bytes(128),
    }
