"""A checkpoint's tensors, read as arrays, are what torch loads; torch itself is the oracle."""

import subprocess
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from entrypoint.errors import WeightsError
from entrypoint.weights.classic.nodes import Node
from entrypoint.weights.classic.pickled import imports, read_checkpoint
from entrypoint.weights.classic.pickledmodule import Allowance, PickledModule
from tests.conftest import ROOT
from tests.weights.hostile.assemble import as_legacy, as_zip, called, named, node, plain, storage, tensor, text, whole

DTYPES = [torch.float16, torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.int32, torch.int16]
DTYPES += [torch.int8, torch.uint8, torch.bool, torch.complex64]
BASE = torch.arange(120.0)
LAYOUTS: dict[str, Tensor] = {
    "whole": BASE,
    "matrix": BASE.view(2, 3, 4, 5),
    "transposed": BASE.view(10, 12).t(),
    "channels last": BASE.view(2, 3, 4, 5).contiguous(memory_format=torch.channels_last),
    "slice": BASE.view(10, 12)[3:7, 2:9:3],
    "scalar": torch.tensor(7.5),
    "empty": torch.empty(0),
    "empty matrix": torch.empty(3, 0, 2),
    "expanded": BASE[5:6].expand(4, 3),
    "windows that overlap": BASE[:20].unfold(0, 4, 2),
}
FORMATS = pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])


def saved(content: object, path: Path, legacy: bool) -> Any:
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    return read_checkpoint(path)


@FORMATS
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_values_are_those_of_torch(tmp_path: Path, dtype: torch.dtype, legacy: bool) -> None:
    values = torch.randn(5, 7).mul(9).to(dtype)
    found = saved({"x": values}, tmp_path / "weights", legacy)["x"]
    expected = (values.float() if dtype is torch.bfloat16 else values).numpy()
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


@FORMATS
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_views_lie_in_the_file_as_they_did(tmp_path: Path, layout: str, dtype: torch.dtype, legacy: bool) -> None:
    values = LAYOUTS[layout] if dtype is torch.float32 else LAYOUTS[layout].bfloat16()
    found = saved([values], tmp_path / "weights", legacy)[0]
    assert found.shape == tuple(values.shape)
    np.testing.assert_array_equal(found, values.float().numpy())
    assert not found.flags.writeable


@FORMATS
def test_tensors_of_one_storage_share_it(tmp_path: Path, legacy: bool) -> None:
    first, second = saved([BASE[:60], BASE[30:]], tmp_path / "weights", legacy)
    assert np.shares_memory(first, second)


@FORMATS
def test_plain_values_are_what_they_were(tmp_path: Path, legacy: bool) -> None:
    content = {
        "scalars": [None, True, False, 0, -1, 255, 65535, 1 << 31, -(1 << 40), 10**30, 0.5, float("-inf")],
        "text": ["", "ä\u2028\U0001f600", "\ud800"],
        "nested": ({"a": ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4))}, {1, "a", (2, "b")}, set()),
        "ordered": OrderedDict(z=1, a=2),
        1: {(1, "a"): None, 2.5: None, None: None, True: 1},
    }
    found = saved(content, tmp_path / "weights", legacy)
    assert found == content
    assert list(found["ordered"]) == ["z", "a"]


@FORMATS
def test_what_only_torch_needs_is_passed_over(tmp_path: Path, legacy: bool) -> None:
    values = torch.ones(2)
    values.note = "x"  # type: ignore[attr-defined]
    content = {"device": torch.device("cuda:0"), "dtype": torch.float16, "size": torch.Size([1, 2]), "noted": values}
    content["parameter"] = nn.Parameter(torch.zeros(3))
    found = saved(content, tmp_path / "weights", legacy)
    assert isinstance(found["device"], Node)
    assert found["size"] == (1, 2)
    np.testing.assert_array_equal(found["noted"], [1, 1])
    np.testing.assert_array_equal(found["parameter"], [0, 0, 0])


def test_an_optimizer_is_read(tmp_path: Path) -> None:
    layer = nn.Linear(3, 2)
    optimizer = torch.optim.SGD(layer.parameters(), 0.1, momentum=0.9)
    layer(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    found = saved(optimizer.state_dict(), tmp_path / "weights", False)
    np.testing.assert_array_equal(found["state"][0]["momentum_buffer"], np.ones((2, 3), np.float32))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_any_protocol_that_torch_can_be_told_to_write(tmp_path: Path, protocol: int) -> None:
    torch.save({"x": BASE, "y": [1, 2]}, tmp_path / "weights", pickle_protocol=protocol)
    found: Any = read_checkpoint(tmp_path / "weights")
    np.testing.assert_array_equal(found["x"], BASE.numpy())


def test_a_view_costs_no_copy_of_the_file(tmp_path: Path) -> None:
    found = saved([torch.zeros(1000), torch.ones(1000)], tmp_path / "weights", False)
    assert all(values.base is not None and not values.flags.owndata for values in found)


@FORMATS
def test_one_value_over_and_over_is_no_weight(tmp_path: Path, legacy: bool) -> None:
    """As a view it costs nothing and is read, for some checkpoints have such caches; a layer cannot be made of it."""
    repeated = tensor(storage(plain(64)), plain(0), plain((16,)), plain((0,)))
    opcodes = whole(node("torch.nn.modules.conv.Conv2d", b"}" + text("weight") + repeated + b"s"))
    data = bytes(256)
    content = as_legacy(opcodes, [("0", 64, data)]) if legacy else as_zip(opcodes, {"0": data})
    (tmp_path / "weights").write_bytes(content)
    module = PickledModule(read_checkpoint(tmp_path / "weights"), "model", Allowance(len(content)))
    with pytest.raises(WeightsError, match="does not hold the values it claims"):
        module.array("weight", 1)


@FORMATS
def test_names_are_listed_up_to_where_the_pickle_breaks(tmp_path: Path, legacy: bool) -> None:
    opcodes = b"\x80\x02" + named("posix.system") + b"\x94" + text("a") + b"q\x01" + text("b") + b"q\x02"
    opcodes += b"h\x01h\x02\x93" + named("__builtin__.eval") + b"\xfe" + called("never.seen")
    (tmp_path / "weights").write_bytes(as_legacy(opcodes) if legacy else as_zip(opcodes))
    assert imports(tmp_path / "weights") == {"posix.system", "a.b", "builtins.eval"}


WITHOUT_TORCH = """
import sys
from pathlib import Path
from entrypoint.sources.samples import DEMO_WEIGHTS
from entrypoint.weights.classic.pickled import read_checkpoint
read_checkpoint(DEMO_WEIGHTS)
print(*(name for name in ("torch", "cv2", "onnxruntime") if name in sys.modules))
"""


def test_reading_needs_no_torch() -> None:
    ended = subprocess.run([sys.executable, "-c", WITHOUT_TORCH], check=True, capture_output=True, text=True, cwd=ROOT)
    assert ended.stdout.split() == []
