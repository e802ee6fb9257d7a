"""The code in a TorchScript file: only what tracing a YOLO detector leaves is allowed, and everything else is refused.

PyTorch does not confine it: its operations read and write files, and a `__setstate__` runs as soon as a file is loaded.
"""

import ast
import re
from collections.abc import Iterator
from itertools import islice

from entrypoint.errors import UnsafeWeightsError

OPERATIONS = frozenset(
    """
    _convolution _shape_as_tensor add arange batch_norm cat chunk clamp clone contiguous copy_ detach div exp
    expand flatten floor floor_divide gather gt hardswish hardswish_ index leaky_relu leaky_relu_ matmul max
    max_pool2d meshgrid mish mul new_full new_zeros ones_like pad permute pow relu relu_ remainder reshape
    rsub select sigmoid sigmoid_ silu silu_ size slice softmax softplus split split_with_sizes squeeze stack
    sub tanh to topk transpose type_as unsqueeze upsample_nearest2d view zeros_like
    """.split()
)
"""The operations of `torch` that code may call: each computes a tensor from tensors, and reaches nothing else."""
_OTHER_OPERATIONS = frozenset({"ops.prim.NumToTensor", "ops.torchvision.nms"})
_FUNCTIONS = frozenset({"annotate", "getattr", "int", "float", "unchecked_cast"})
_CONSTRUCTORS = frozenset({"torch.device"})
_RESERVED = frozenset({*_FUNCTIONS, "torch", "ops", "CONSTANTS", "__torch__"})
_FORWARD = re.compile(r"forward[0-9]*")
_OF_A_CLASS = frozenset({"__parameters__", "__buffers__", "__constants__", "__annotations__"})
_STATEMENTS = (ast.Assign, ast.AnnAssign, ast.Expr, ast.Return, ast.Pass)
_EXPRESSIONS = (
    *(
        ast.Attribute,
        ast.Call,
        ast.Constant,
        ast.keyword,
        ast.List,
        ast.Name,
        ast.Subscript,
        ast.Tuple,
        ast.UnaryOp,
        ast.USub,
    ),
    *(ast.Load, ast.Store),
)
_MOST_NUMBER = 1 << 24  # but for what stands for an end that is none
_NO_END = (1 << 63) - 1

_TOKEN = re.compile(r"\w+|[^\w\s]")
_MOST_TOKENS = 25_000  # of one file: its tree takes up to 1.5 kB for each. YOLOv9e-seg has 7,197 in the longest


def tokens_of(source: str, name: str) -> int:
    """About how many tokens the code of one file has: what its tree will cost is known before there is one.

    Raises UnsafeWeightsError for far more than any export has.
    """
    found = sum(1 for _ in islice(_TOKEN.finditer(source), _MOST_TOKENS + 1))
    if found > _MOST_TOKENS:
        raise UnsafeWeightsError(f"its code in {name} is longer than that of any detector")
    return found


def operations(source: str, name: str) -> set[str]:
    """The operations that the code of one file calls.

    Raises UnsafeWeightsError for anything but classes of modules whose methods compute by the allowed operations.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise UnsafeWeightsError(f"its code in {name} is none that this program can read") from error
    found: set[str] = set()
    for statement in tree.body:
        if not isinstance(statement, ast.ClassDef) or statement.decorator_list or statement.keywords:
            raise _refused(statement, name)
        if [ast.unparse(base) for base in statement.bases] != ["Module"]:
            raise _refused(statement, name)
        for part in statement.body:
            found |= set(_of_class(part, name))
    return found


def _of_class(part: ast.stmt, name: str) -> Iterator[str]:
    """What a part of a class calls: lists of names, types of attributes, and methods that look forward."""
    if isinstance(part, ast.FunctionDef):
        if not _FORWARD.fullmatch(part.name) or part.decorator_list or not _is_plain(part.args):
            raise UnsafeWeightsError(f"its code in {name} defines {part.name[:80]}, and no export of a detector does")
        for statement in part.body:
            yield from _of_function(statement, name)
    elif isinstance(part, ast.Assign) and all(_stored(target) in _OF_A_CLASS for target in part.targets):
        if any(isinstance(one, ast.Call) for one in ast.walk(part)):
            raise _refused(part, name)
    elif not isinstance(part, (ast.Pass, ast.AnnAssign)) or (isinstance(part, ast.AnnAssign) and part.value):
        raise _refused(part, name)


def _is_plain(arguments: ast.arguments) -> bool:
    """Whether they have no defaults, and no name that the code uses for anything else."""
    has_defaults = arguments.defaults or arguments.kwonlyargs or arguments.vararg or arguments.kwarg
    return not has_defaults and not _RESERVED & {one.arg for one in arguments.args}


def _stored(target: ast.expr) -> str:
    inner = target.value if isinstance(target, ast.Subscript) else target
    return inner.id if isinstance(inner, ast.Name) else ""


def _of_function(statement: ast.stmt, name: str) -> Iterator[str]:
    if not isinstance(statement, _STATEMENTS):
        raise _refused(statement, name)
    annotation = statement.annotation if isinstance(statement, ast.AnnAssign) else None
    for node in ast.walk(statement):
        if node is statement or node is annotation:
            continue
        if not isinstance(node, _EXPRESSIONS):
            raise _refused(node, name)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in _RESERVED:
            raise _refused(node, name)
        if isinstance(node, ast.Constant) and _is_too_large(node.value):
            raise UnsafeWeightsError(f"its code in {name} has the number {str(node.value)[:40]}")
        if isinstance(node, ast.Call):
            yield from _call(node, name)


def _is_too_large(value: object) -> bool:
    return isinstance(value, int) and abs(value) > _MOST_NUMBER and value != _NO_END


def _call(node: ast.Call, name: str) -> Iterator[str]:
    """The operation that a call is of; nothing for a module, or for what only shapes the code."""
    called = ast.unparse(node.func)
    if node.keywords and any(keyword.arg is None for keyword in node.keywords):
        raise _refused(node, name)
    operation = called.removeprefix("torch.")
    if called in _OTHER_OPERATIONS or (called == f"torch.{operation}" and operation in OPERATIONS):
        yield operation
    elif called in _FUNCTIONS or called in _CONSTRUCTORS:
        if called == "getattr" and not (len(node.args) == 2 and isinstance(node.args[1], ast.Constant)):
            raise _refused(node, name)
    elif not (isinstance(node.func, ast.Attribute) and _FORWARD.fullmatch(node.func.attr)):
        raise UnsafeWeightsError(
            f"refused as unsafe, and nothing in it was run: its code calls {called[:80]}, which no export of a "
            "detector needs. Bring the .pt file that it was exported from, or an ONNX export"
        )


def _refused(node: ast.AST, name: str) -> UnsafeWeightsError:
    what = type(node).__name__
    return UnsafeWeightsError(
        f"refused as unsafe, and nothing in it was run: its code in {name} has a {what} where no export of a detector "
        "has one. Bring the .pt file that it was exported from, or an ONNX export"
    )
