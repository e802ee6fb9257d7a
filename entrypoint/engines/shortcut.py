"""A faster way to the same values: taken once it has agreed with the plain way, left for good when it does not."""

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from entrypoint.host.memory import is_out_of_memory
from entrypoint.log import LOG

T = TypeVar("T")
# Of logits and pixels. Kernels that sum in another order, or round to ten bits on the way, stay far below.
_MOST, _MOST_ON_AVERAGE = 0.5, 0.05


class Shortcut:
    """Whether a faster way is open, on trial, or closed. Several threads may ask; a warning is said once."""

    def __init__(self, name: str) -> None:
        """`name`: what it is, for the warning."""
        self._name, self._lock = name, threading.Lock()
        self.is_closed = False

    def close(self, why: str) -> None:
        """From now on the plain way is taken."""
        with self._lock:
            was_closed, self.is_closed = self.is_closed, True
        if not was_closed:
            LOG.warning("%s is left out, for the plain way to the same values is right: %s", self._name, why)

    def attempt(self, fast: Callable[[], T], fault: Callable[[T], str | None]) -> T | None:
        """What `fast` gives, if nothing is the matter with that; else None, and the way is closed.

        Raises what says that memory is out: that is no fault of this way.
        """
        try:
            found = fast()
            why = fault(found)
        except Exception as error:
            if is_out_of_memory(error):
                raise
            why = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        if why is None:
            return found
        self.close(why)
        return None


def difference(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> str | None:
    """How tensors are not alike; None where they are, but for rounding, and are no numbers in the same places."""
    if [one.shape for one in ours] != [other.shape for other in theirs]:
        return "it gives values of another shape"
    for one, other in zip(ours, theirs, strict=True):
        both = one.isfinite() & other.isfinite()
        off = torch.where(both, one.float() - other.float(), 0.0).abs()
        unlike = one.isfinite() != other.isfinite()
        if off.numel() and (bool(unlike.any()) or off.max() > _MOST or off.mean() > _MOST_ON_AVERAGE):
            return f"it is off by {off.max().item():.3g}"
    return None
