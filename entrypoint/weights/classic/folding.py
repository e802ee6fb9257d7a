"""The numbers of convolutions and batch norms, checked, and the latter folded into the former."""

import numpy as np
from numpy.typing import NDArray

from entrypoint.weights.classic.pickledmodule import PickledModule, shown


def folded(module: PickledModule, norm: PickledModule | None) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """The weight and the bias of a convolution, and of the batch norm behind it."""
    weight, bias = module.array("weight", 4), module.optional_array("bias")
    if module.number("groups", 1) < 1 or module.value("padding_mode", "zeros") != "zeros":
        raise module.wrong("has groups or a padding mode that YOLO does not use")
    if norm:
        scale, shift = batch_norm_affine(norm)
        if len(scale) != len(weight):
            raise norm.wrong(f"has {len(scale)} channels after a convolution to {len(weight)}")
        with np.errstate(over="ignore"):
            weight = module.computable("weight", weight * scale[:, None, None, None])
            bias = module.computable("bias", shift if bias is None else shift + bias * scale)
    check_bias(module, bias, len(weight))
    return weight, bias


def check_bias(module: PickledModule, bias: NDArray[np.float32] | None, channels: int) -> None:
    """Raises WeightsError where a bias has not one value for each channel."""
    if bias is not None and bias.shape != (channels,):
        raise module.wrong(f"has a bias of {shown(bias.size)} values for {channels} channels")


def batch_norm_affine(module: PickledModule) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Scale and shift that a batch norm in eval mode amounts to, (C,) each."""
    mean, variance = module.array("running_mean", 1), module.array("running_var", 1)
    gamma, beta = module.optional_array("weight"), module.optional_array("bias")
    if any(values is not None and values.shape != mean.shape for values in (variance, gamma, beta)):
        raise module.wrong("has a batch norm whose sizes do not match")
    eps = module.real("eps", 1e-5)
    if eps < 0 or variance.min(initial=0) < 0 or (variance + np.float32(eps)).min(initial=1) <= 0:
        raise module.wrong("has a batch norm of a variance or eps that is not positive")
    scale = 1 / np.sqrt(variance + np.float32(eps))
    scale = scale if gamma is None else scale * gamma
    shift = -mean * scale
    return module.computable("scale", scale), module.computable("shift", shift if beta is None else shift + beta)
