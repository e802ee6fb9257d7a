"""The members of a TorchScript file, read within bounds: code, notes, and what its pickles name."""

import json
import pickle
import re
import zipfile
from dataclasses import dataclass
from typing import Any, BinaryIO

from entrypoint.errors import UnsafeWeightsError, WeightsError
from entrypoint.sources.zipdirectory import read_directory
from entrypoint.weights.classic import opcodes
from entrypoint.weights.classic.budget import Budget
from entrypoint.weights.classic.opcodes import walk
from entrypoint.weights.torchscript.code import operations, tokens_of

_MOST_CODE, _MOST_NOTES, _MOST_PICKLE = 2 << 20, 1 << 20, 8 << 20  # bytes; YOLOv9e-seg has 492,000 of code
_MOST_TOKENS = 150_000  # of all code together; YOLOv9e-seg has 114,000
_MEMBERS = re.compile(
    r"(data|constants|traced_inputs)\.pkl|version|byteorder|\.format_version|\.storage_alignment|\.data/serialization_id"
    r"|(data|constants|traced_inputs)/[0-9]+|extra/config\.txt|code/__torch__(/\w+)*\.py(\.debug_pkl)?"
)
_NAMES = re.compile(
    r"__torch__\.[\w.]+|torch\._utils\._rebuild_(tensor_v2|parameter)|torch\.\w*Storage|collections\.OrderedDict"
    r"|torch\.jit\._pickle\.(build_\w+list|restore_type_tag)"
)


@dataclass(frozen=True, slots=True)
class Script:
    """A file whose code was found harmless. `notes`: what its export tool wrote."""

    notes: dict[str, Any]
    operations: tuple[str, ...]


def read_script(data: BinaryIO) -> Script:
    """A TorchScript file, checked; PyTorch is not needed for that.

    Raises UnsafeWeightsError for code that is not allowed, WeightsError where it cannot be read.
    """
    try:
        with zipfile.ZipFile(data) as archive:
            return _checked(archive, read_directory(data), Budget(data.seek(0, 2)))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        raise WeightsError(f"cannot be read as a TorchScript file: {str(error)[:200]}") from error
    except OSError as error:
        raise WeightsError(f"cannot be read: {error.strerror}") from error


def _checked(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], budget: Budget) -> Script:
    names = [member.filename for member in members]
    root = next(name for name in names if name.endswith("/data.pkl"))[: -len("data.pkl")]
    inner = [name.removeprefix(root) for name in names]
    odd = [name for name, short in zip(names, inner, strict=True) if name == short or not _MEMBERS.fullmatch(short)]
    if odd or len(set(names)) < len(names):
        what = f"a member {odd[0][:100]!r}" if odd else "two members of one name"
        raise UnsafeWeightsError(f"has {what}, and no TorchScript file of a detector has one")
    by_name = dict(zip(inner, members, strict=True))
    for name, member in by_name.items():  # torch compresses what it writes of code, and nothing else
        if member.compress_type != zipfile.ZIP_STORED and not name.startswith("code/"):
            raise UnsafeWeightsError(f"its {name} is compressed, and torch never writes it so; export it again")
    if sum(member.file_size for name, member in by_name.items() if not name.startswith("code/")) > budget.file_bytes:
        raise UnsafeWeightsError("declares more bytes of contents than it has; export it again")
    for name, member in by_name.items():
        if name.endswith(".pkl"):
            _check_pickle(_read(archive, member, _MOST_PICKLE), name, budget)
    code = _code(archive, by_name)
    found = set[str]().union(*(operations(text, name) for name, text in code.items()))
    notes = by_name.get("extra/config.txt")
    said = json.loads(_read(archive, notes, _MOST_NOTES) or b"{}") if notes else {}
    return Script(said if isinstance(said, dict) else {}, tuple(sorted(found)))


def _code(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo]) -> dict[str, str]:
    """All of it by its member, none of which was parsed: how long it is in all is known before that."""
    code: dict[str, str] = {}
    left, tokens = _MOST_CODE, _MOST_TOKENS
    for name, member in members.items():
        if name.startswith("code/") and name.endswith(".py"):
            source = _read(archive, member, left)
            code[name] = source.decode()
            left -= len(source)
            tokens -= tokens_of(code[name], name)
            if tokens < 0:
                raise UnsafeWeightsError("its code is longer than that of any detector")
    return code


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo, most: int) -> bytes:
    """A member's bytes: never more than `most`, whatever it declares."""
    with archive.open(member) as file:
        found = file.read(most + 1)
    if len(found) > most:
        raise UnsafeWeightsError(f"its {member.filename[:100]} is larger than that of any detector")
    return found


def _check_pickle(data: bytes, name: str, budget: Budget) -> None:
    """Only classes of the file's own code, and what rebuilds tensors, may be named."""
    argument: Any
    try:
        for kind, argument in walk(data, 0, budget):
            if kind in (opcodes.INST, opcodes.STACK_GLOBAL):
                raise UnsafeWeightsError(f"its {name} names a class in a way that torch never does")
            if kind == opcodes.GLOBAL and not _NAMES.fullmatch(".".join(argument)):
                raise UnsafeWeightsError(
                    f"refused as unsafe, and nothing in it was run: its {name} names {'.'.join(argument)[:100]!r}"
                )
    except (pickle.UnpicklingError, EOFError) as error:
        raise UnsafeWeightsError(f"its {name} is refused: {error}") from error
