"""Augmented inference sees what PyTorch's own functions would have made of the pixels."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from entrypoint.models.yolov5.augment import resized


@pytest.mark.parametrize("scale", [0.83, 0.67])
@pytest.mark.parametrize("sides", [(640, 480), (384, 640), (64, 32), (32, 32), (1, 1), (7, 300)])
def test_scaled_pixels_are_pytorch_s(sides: tuple[int, int], scale: float) -> None:
    pixels = np.random.default_rng(0).random((2, 3, *sides), np.float32)
    size = tuple(max(1, int(side * scale)) for side in sides)
    expected = functional.interpolate(torch.from_numpy(pixels), size=size, mode="bilinear", align_corners=False)
    np.testing.assert_allclose(resized(pixels, size), expected.numpy(), rtol=0, atol=1e-6)
