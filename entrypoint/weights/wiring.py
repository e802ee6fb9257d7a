"""How the layers of a checkpoint read from each other: the part that all of its families share."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from entrypoint.models.graph import Value, Writer
from entrypoint.weights.classic.pickledmodule import PickledModule, shown

# A tool pads to multiples of at least this: a head may end before the coarsest of the layers it draws on.
_LEAST_STRIDE = 32
_MAX_SOURCES = 32


def written(
    writer: Writer,
    modules: Sequence[PickledModule],
    layers: Sequence[Callable[..., Any]],
    of_many: Collection[str],
    head: PickledModule,
) -> list[Value]:
    """Write the layers, each behind those it reads from, and give the values that the head reads.

    `of_many`: the names of layers that take a list of values. Raises WeightsError for layers that do not fit together.
    """
    values: list[Any] = [writer.pixels]  # of the input, and of each layer
    for position, (module, layer) in enumerate(zip(modules, layers, strict=True)):
        found = _sources(module, position, values, of_many)
        values.append(layer(found) if module.name in of_many else layer(*found))
    return _sources(head, len(modules), values, (*of_many, head.name))


def _sources(module: PickledModule, position: int, values: Sequence[Any], of_many: Collection[str]) -> list[Any]:
    """What a layer reads: by index, -1 for the one just before. `values` begin with the input."""
    source = module.value("f")
    many = isinstance(source, (list, tuple))
    if many and not 1 <= len(source) <= _MAX_SOURCES:
        raise module.wrong(f"reads from {len(source)} layers, expected at most {_MAX_SOURCES}")
    indices = tuple(source) if many else (source,)
    for index in indices:
        if not isinstance(index, int) or not (index == -1 or -position <= index < position):
            raise module.wrong(f"reads from layer {shown(index)}, which is not before it")
    if len(indices) != 1 and module.name not in of_many:
        raise module.wrong(f"reads from {len(indices)} layers, expected one")
    found = [values[-1] if index == -1 else values[1 + index % position] for index in indices]
    if not all(isinstance(value, Value) for value in found) and not module.name.endswith("CBFuse"):
        raise module.wrong("reads from a layer that gives several values")
    return found


def strides_of(module: PickledModule) -> NDArray[np.float32]:
    """The strides of a head, (levels,), as the checkpoint notes them."""
    strides = module.array("stride", 1)
    whole = strides.round()
    if not 1 <= len(strides) <= 8 or not ((strides == whole) & (whole >= 1) & (whole <= 1024)).all():
        raise module.wrong(f"has strides {str(strides.tolist())[:80]}, expected whole pixels from 1 to 1024")
    if any(int(strides.max()) % int(stride) for stride in strides):
        raise module.wrong(f"has strides {strides.tolist()}, of which the largest is no multiple of the others")
    return strides


def input_stride(strides: NDArray[np.float32]) -> int:
    """What sides of the input are to be multiples of."""
    return max(_LEAST_STRIDE, int(strides.max()))
