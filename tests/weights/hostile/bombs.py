"""ONNX files that ask for more memory or time than there is."""

import numpy as np
from onnx import helper

from tests.weights.hostile.makegraph import FLOAT, INT64, Node, chain, file, ints


def bombs() -> dict[str, bytes]:
    """Whole files by what they ask for."""
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
        "2 GiB by ConstantOfShape": file([("ConstantOfShape", ["s"], ["output0"], {})], [ints("s", 1 << 29)]),
        "2 GiB by ConstantOfShape, with a value": file(
            [("ConstantOfShape", ["s"], ["output0"], {"value": huge})], [ints("s", 1 << 15, 1 << 14)]
        ),
        "2 to the 60 by ConstantOfShape": file(
            [("ConstantOfShape", ["s"], ["output0"], {})], [ints("s", *[1 << 20] * 3)]
        ),
        "2 GiB by Expand": file([("Expand", ["images", "s"], ["output0"], {})], [ints("s", 1 << 17, 3, 64, 64)]),
        "2 GiB by Tile": file([("Tile", ["images", "s"], ["output0"], {})], [ints("s", 1 << 17, 1, 1, 1)]),
        "2 GiB by Pad": file([("Pad", ["images", "s"], ["output0"], {})], [ints("s", *[0] * 7, 1 << 24)]),
        "2 GiB by Resize": file(
            [("Resize", ["images", "", "s"], ["output0"], {})],
            [helper.make_tensor("s", FLOAT, [4], [1.0, 1.0, 400.0, 400.0])],
        ),
        "2 GiB by Range": file(
            [("Range", ["a", "b", "c"], ["output0"], {})],
            [helper.make_tensor(name, INT64, [], [value]) for name, value in (("a", 0), ("b", 1 << 28), ("c", 1))],
        ),
        "a range in steps of zero": file(
            [("Range", ["a", "b", "c"], ["output0"], {})],
            [helper.make_tensor(name, INT64, [], [value]) for name, value in (("a", 0), ("b", 9), ("c", 0))],
        ),
        "a range of floats without an end": file(
            [("Range", ["a", "b", "c"], ["output0"], {})],
            [helper.make_tensor(name, FLOAT, [], [value]) for name, value in (("a", 0), ("b", 1e38), ("c", 1e-38))],
        ),
        "a size that grows with the image's": file(by_size, [ints("two", 2)], (1, 3, "h", "w")),
        "a size that grows with what it sees": file(by_count, [ints("many", 1 << 16)]),
        "NMS of more boxes than there are pixels": file(
            suppress, [ints("boxes", 3072, 1, 4), ints("scores", 3072, 4, 1), ints("most", 1 << 30)]
        ),
        "twice as much in each of 40 steps": file(doubled),
        "15,000 values held at once": file(held),
        "15,000 values for an operation that none has": file(kept),
        "20 million padded pixels convolved": file(
            [
                ("Pad", ["images", "s"], ["p"], {}),
                ("Conv", ["p", "w3"], ["c"], {}),
                *(("Conv", ["c" if not n else f"c{n}", "w"], [f"c{n + 1}"], {}) for n in range(500)),
                ("Identity", ["c500"], ["output0"], {}),
            ],
            [
                ints("s", *[0] * 6, 400, 400),
                weight,
                helper.make_tensor("w3", FLOAT, [64, 3, 1, 1], np.zeros(192, np.float32).tobytes(), raw=True),
            ],
        ),
        "an image of 2 GiB": file(chain("Sigmoid", 1), (), (1, 3, 16384, 16384)),
        "a batch of a billion": file(chain("Sigmoid", 1), (), (1 << 30, 3, 64, 64)),
        "a matrix product of 65,536 rows": file(
            [
                ("Expand", ["one", "s"], ["a"], {}),
                ("Transpose", ["a"], ["b"], {}),
                ("MatMul", ["a", "b"], ["output0"], {}),
            ],
            [helper.make_tensor("one", FLOAT, [1, 1], [1.0]), ints("s", 65536, 64)],
        ),
    }
