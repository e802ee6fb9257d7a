"""ONNX files that mean harm: by what they ask for, by where they look, by their wiring, and by their bytes."""

from typing import Any

import onnx
from onnx import TensorProto, helper

from tests.weights.hostile.bombs import bombs
from tests.weights.hostile.makegraph import FLOAT, IMAGE, INT64, chain, file, model


def graphs() -> dict[str, bytes]:
    """Whole files by what they try."""
    return {
        f"ONNX: {name}": data
        for part in (bombs(), _elsewhere(), _wiring(), _names(), _bytes())
        for name, data in part.items()
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
        found[f"weights in {what}"] = file([("Conv", ["images", "w"], ["output0"], {})], [values])
    without_mark = TensorProto(name="w", data_type=FLOAT, dims=[1], raw_data=bytes(4))
    entry = without_mark.external_data.add()
    entry.key, entry.value = "location", "weights.bin"
    inside = TensorProto(data_type=FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    entry = inside.external_data.add()
    entry.key, entry.value = "location", "/dev/zero"
    return {
        **found,
        "weights here and elsewhere": file([("Mul", ["images", "w"], ["output0"], {})], [without_mark]),
        "a constant in a device": file(
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
    two_inputs = model([("Add", ["images", "more"], ["output0"], {})])
    two_inputs.graph.input.append(helper.make_tensor_value_info("more", FLOAT, [1]))
    own = model([("Own", ["images"], ["output0"], {})])
    own.functions.append(
        helper.make_function(
            "", "Own", ["x"], ["y"], [helper.make_node("Own", ["x"], ["y"])], [helper.make_opsetid("", 17)]
        )
    )
    sparse = model(chain("Sigmoid", 1))
    sparse.graph.sparse_initializer.add().dims.extend([1 << 40])
    custom = helper.make_node("EfficientNMS_TRT", ["images"], ["output0"], domain="TRT")
    python = helper.make_node(
        "PyOp", ["images"], ["output0"], domain="ai.onnx.contrib", code="import os; os.system('true')"
    )
    return {
        "two operations that feed each other": file(
            [("Add", ["images", "b"], ["a"], {}), ("Sigmoid", ["a"], ["b"], {}), ("Sigmoid", ["b"], ["output0"], {})]
        ),
        "an operation that feeds itself": file([("Add", ["images", "output0"], ["output0"], {})]),
        "a value made twice": file([*chain("Sigmoid", 1), *chain("Relu", 1)]),
        "a value in place of the image": file([("Sigmoid", ["images"], ["images"], {}), *chain("Relu", 1)]),
        "an output that nothing makes": file([("Sigmoid", ["images"], ["other"], {})]),
        "a value that nothing makes": file([("Add", ["images", "nowhere"], ["output0"], {})]),
        "subgraphs within each other": file(
            [helper.make_node("If", ["images"], ["output0"], then_branch=deep, else_branch=deep)]
        ),
        "a loop without an end": file([helper.make_node("Loop", ["", "", "images"], ["output0"], body=endless)]),
        "two inputs": two_inputs.SerializeToString(),
        "a function that calls itself": own.SerializeToString(),
        "sparse weights": sparse.SerializeToString(),
        "an operation of TensorRT's": file([custom]),
        "an operation that is Python": file([python]),
        "an operation that reads files": file([("ImageDecoder", ["images"], ["output0"], {})], opset=20),
        "an operation with a name of 1 MB": file([("S" * 1_000_000, ["images"], ["output0"], {})]),
        "25,000 operations": file(chain("Sigmoid", 25_000)),
        "four channels": file(chain("Sigmoid", 1), (), (1, 4, 64, 64)),
        "channels last": file(chain("Sigmoid", 1), (), (1, 64, 64, 3)),
        "an image of text": file(chain("Identity", 1), (), IMAGE, TensorProto.STRING),
        "an operations' version of the future": file(chain("Sigmoid", 1), opset=9999),
        "no output": model(chain("Sigmoid", 1)).SerializeToString().replace(b"output0", b"outputX", 1),
    }


def _names() -> dict[str, bytes]:
    said = {
        "a call for names": "__import__('os').system('touch canary')",
        "names without an end": "[" * 200_000,
        "a power for names": "9**9**9",
        "a name of 1 MB": "{0: '" + "a" * 1_000_000 + "'}",
    }
    found = {what: file(chain("Sigmoid", 1), metadata={"names": names}) for what, names in said.items()}
    found["a task of another kind"] = file(chain("Sigmoid", 1), metadata={"task": "classify", "names": "{0: 'a'}"})
    return found


def _counted(number: int, content: bytes) -> bytes:
    """A field of so many bytes, as protobuf writes it."""
    length, sign = [], len(content)
    while sign > 0x7F:
        length.append(sign & 0x7F | 0x80)
        sign >>= 7
    return bytes([number << 3 | 2, *length, sign]) + content


def _bytes() -> dict[str, bytes]:
    def tensor(**fields: Any) -> bytes:
        values = TensorProto(name="w", data_type=FLOAT, dims=[1])
        for name, value in fields.items():
            if isinstance(value, list):
                values.ClearField(name)
                getattr(values, name).extend(value)
            else:
                setattr(values, name, value)
        return file([("Mul", ["images", "w"], ["output0"], {})], [values])

    honest = file(chain("Sigmoid", 3))
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
        "a shape of 120 million numbers": bare + _counted(7, _counted(5, _counted(1, bytes(120_000_000)))),
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
