"""Confidences from logits, and back."""

import math

import numpy as np
from numpy.typing import NDArray

ROUNDING = 0.01
"""How far logits may be off in FP16, and more."""


def logit(share: float) -> float:
    """What a sigmoid makes `share` of."""
    if not 0 < share < 1:
        return math.copysign(math.inf, share - 0.5)
    return math.log(share / (1 - share))


def sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """The share that each logit stands for."""
    with np.errstate(over="ignore"):  # far below zero
        shares: NDArray[np.float32] = np.reciprocal(1 + np.exp(-logits))
    return shares
