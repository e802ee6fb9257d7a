"""TorchScript files that mean harm: by what their code calls, by its form, and by the archive around it."""

import io
import json
import warnings
import zipfile
from pathlib import Path

import torch
from torch import Tensor, nn

NOTES = json.dumps({"shape": [1, 3, 64, 64], "stride": 32, "names": {"0": "a"}})

_LARGE = 1_000_000  # bytes


class _Honest(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.sigmoid()


def scripts(canary: Path) -> dict[str, bytes]:
    """Whole files by what they try; what they would write is `canary`."""
    honest = _honest()
    place = str(canary)
    calls = {
        "reading a file": 'return torch.from_file("/etc/passwd", False, 10)',
        "writing a file by mapping it": f'return torch.from_file("{place}", True, 10)',
        "saving a tensor": f'torch.save(x, "{place}")\n    return x',
        "loading": f'return torch.load("{place}")',
        "evaluating": 'return eval("x")',
        "printing": "print(x)\n    return x",
        "an operation of another namespace": f'return ops.aten.from_file("{place}", True, 10)',
        "an operation of an image library": f'return ops.image.write_file("{place}", x)',
        "a method of a tensor": "return x.numpy()",
        "an operation by another name": f'save = torch.save\n    save(x, "{place}")\n    return x',
        "an operation by getattr": f'return getattr(torch, "save")(x, "{place}")',
        "an operation by a name that is allowed": f'int = torch.save\n    int(x, "{place}")\n    return x',
        "a loop without an end": "while True:\n      x = torch.add(x, x)\n    return x",
        "a loop over numbers": "for i in range(1000000000):\n      x = torch.add(x, x)\n    return x",
        "a condition": "if bool(x):\n      x = torch.add(x, x)\n    return x",
        "a size without bounds": "return torch.new_zeros(x, [99999999999])",
        "an import": "import os\n    return x",
        "a lambda": "return (lambda y: y)(x)",
        "a comprehension": "return torch.cat([x for x in [x]])",
        "text that is formatted": 'return torch.cat(f"{x}")',
        "code that is none": "return (((",
        "brackets without an end": "return " + "(" * 5000 + "x" + ")" * 5000,
        "an assertion": "assert False\n    return x",
    }
    found = {f"TorchScript: {what}": _changed(honest, body) for what, body in calls.items()}
    methods = {
        "__setstate__": f'  def __setstate__(self, state: int) -> None:\n    torch.save(state, "{place}")\n',
        "__getstate__": "  def __getstate__(self) -> int:\n    return 1\n",
        "a method of another name": "  def other(self, x: Tensor) -> Tensor:\n    return x\n",
        "a decorator": "  @eval\n  def forward(self, x: Tensor) -> Tensor:\n    return x\n",
        "a class that is no module": "class Other(NamedTuple):\n  a : int\n",
        "a call in a class": "  __parameters__ = [print(1)]\n",
        "a call among statements": 'torch.save(1, "canary")\n',
    }
    long = {
        "a list of 4 million zeros": f"return [{'0,' * 4_000_000}]",
        "a list of 4 million names": f"return [{'x,' * 4_000_000}]",
        "a list of 900,000 zeros": f"return [{'0,' * 900_000}]",
        "a call of a call, 500 times": f"return x{'.forward(x)' * 500}",
        "a call of a call, 3,000 times": f"return x{'.forward(x)' * 3000}",
        "a name of 1 MB": f"return {'x' * 1_000_000}(x)",
    }
    found |= {f"TorchScript: {what}": _changed(honest, body) for what, body in long.items()}
    classes = {
        f"code/__torch__/f{number}.py": b"class A(Module):\n  __parameters__ = [" + b"a, " * 12_000 + b"]\n"
        for number in range(50)
    }
    found["TorchScript: 50 files of 12,000 names each"] = _rebuilt(honest, classes)
    found |= {f"TorchScript: {what}": _changed(honest, "return x", method) for what, method in methods.items()}
    return found | {
        "TorchScript: a pickle that names a function": _rebuilt(
            honest, {"data.pkl": b"\x80\x02cposix\nsystem\nq\x00X\x04\x00\x00\x00trueq\x01\x85q\x02Rq\x03."}
        ),
        "TorchScript: constants that name a function": _rebuilt(
            honest, {"constants.pkl": b"\x80\x02cposix\nsystem\nq\x00X\x04\x00\x00\x00trueq\x01\x85q\x02Rq\x03."}
        ),
        "TorchScript: a pickle that names by what it made": _rebuilt(
            honest, {"data.pkl": b"\x80\x04\x8c\x02os\x8c\x06system\x93."}
        ),
        "TorchScript: a pickle without an end": _rebuilt(honest, {"data.pkl": b"\x80\x02]"}),
        "TorchScript: a member elsewhere": _rebuilt(honest, {"code/../../evil.py": b"x"}),
        "TorchScript: 100 MB of code, compressed": _rebuilt(honest, {"code/__torch__/big.py": b"#" * 100_000_000}),
        "TorchScript: 100 MB of notes, compressed": _rebuilt(honest, {"extra/config.txt": b" " * 100_000_000}),
        "TorchScript: a tensor of 100 MB of zeros, compressed": _rebuilt(honest, {"data/9": bytes(100_000_000)}),
        "TorchScript: notes that are none": _rebuilt(honest, {"extra/config.txt": b"{" * 100_000}),
        "TorchScript: no notes": _rebuilt(honest, {"extra/config.txt": b""}),
        "TorchScript: code that is no text": _rebuilt(honest, {"code/__torch__/x.py": b"\xff\xfe\x00"}),
        "TorchScript: cut short": honest[: len(honest) // 2],
    }


def _honest() -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(_Honest(), torch.zeros(1, 3, 64, 64))  # type: ignore[no-untyped-call]
        torch.jit.save(traced, file, _extra_files={"config.txt": NOTES})
    return file.getvalue()


def _changed(honest: bytes, body: str, method: str = "") -> bytes:
    """The file with another body of its only method, and something behind it."""
    head = "class _Honest(Module):\n  __parameters__ = []\n  __buffers__ = []\n  training : bool\n"
    code = f"{head}  def forward(self: int,\n    x: Tensor) -> Tensor:\n    {body}\n{method}"
    with zipfile.ZipFile(io.BytesIO(honest)) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("scripts.py"))
    return _rebuilt(honest, {name.partition("/")[2]: code.encode()})


def _rebuilt(honest: bytes, changes: dict[str, bytes]) -> bytes:
    """The file with some members replaced, or added; compressed as torch has it, and where they are large."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(honest)) as old, zipfile.ZipFile(file, "w") as new:
        root = old.namelist()[0].partition("/")[0]
        for member in old.infolist():
            if member.filename.partition("/")[2] not in changes:
                new.writestr(member.filename, old.read(member), member.compress_type)
        for name, data in changes.items():
            compressed = name.startswith("code/") or len(data) > _LARGE
            new.writestr(f"{root}/{name}", data, zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED)
    return file.getvalue()
