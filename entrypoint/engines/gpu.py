"""Whether a GPU can be trusted: this PyTorch has code for it, and it convolves as the CPU does."""

import re

import numpy as np
import torch
from torch.nn import functional

from entrypoint.host.cuda import Gpu
from entrypoint.host.device import Device

_MOST_WRONG = 0.05  # of sums up to 9; half precision is good to 0.01


def fault(device: Device) -> str | None:
    """What is wrong with a GPU; None for nothing."""
    try:
        if device.gpu and not torch.cuda.is_available():
            return f"{device.gpu.name} is of no use: this PyTorch ({torch.__version__}) does not see a CUDA device"
        return (device.gpu and _arch_fault(device.gpu)) or convolution_fault(device)
    except RuntimeError as error:
        return f"{device} does not compute: {str(error).splitlines()[0]}"


def convolution_fault(device: Device) -> str | None:
    """What is wrong with a small convolution on a device, compared with the CPU's; None when it is right.

    Raises RuntimeError when the device cannot do it at all.
    """
    pixels = torch.linspace(-1, 1, 3 * 8 * 8).reshape(1, 3, 8, 8)
    weight = torch.linspace(-1, 1, 4 * 3 * 3 * 3).reshape(4, 3, 3, 3)
    there = torch.device(str(device)), torch.float16 if device.half else torch.float32
    ours = functional.conv2d(pixels.to(*there), weight.to(*there), padding=1).cpu().float().numpy()
    wrong = np.abs(ours - functional.conv2d(pixels, weight, padding=1).numpy()).max()
    if wrong < _MOST_WRONG:
        return None
    return f"{device} computes wrongly: a convolution is off by {wrong:.3g}"


def _arch_fault(gpu: Gpu) -> str | None:
    """Whether this PyTorch has code for that GPU: sm_XY runs within a major version, compute_XY on all later ones."""
    built, (major, minor) = torch.cuda.get_arch_list(), gpu.capability
    for arch in built:
        kind, _, digits = arch.partition("_")
        number = re.match("[0-9]+", digits)
        if number is None:
            continue
        code = divmod(int(number[0]), 10)
        if (kind == "compute" and code <= (major, minor)) or (kind == "sm" and code[0] == major and code[1] <= minor):
            return None
    return f"{gpu.name} has compute capability {major}.{minor}, and this PyTorch is built for {', '.join(built)}"
