"""What is kept of the head's maps, on a GPU and on a CPU: the same, and what the definition says."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from entrypoint.engines.torch import DeviceTensor
from entrypoint.models.network import cells_above


@given(
    images=st.integers(1, 3),
    anchors=st.integers(1, 3),
    values=st.integers(6, 9),
    cells=st.integers(1, 12),
    least=st.sampled_from([-9.0, -0.5, 0.0, 0.5, 9.0]),
    half=st.booleans(),
    seed=st.integers(0, 99),
)
def test_both_ways_keep_what_is_above(
    images: int, anchors: int, values: int, cells: int, least: float, half: bool, seed: int
) -> None:
    raw = torch.from_numpy(np.random.default_rng(seed).normal(size=(images, anchors, values, cells)).astype(np.float32))
    raw[:, :, 4][raw[:, :, 4] > 1.5] = torch.nan  # as FP16 may give: above nothing
    raw = raw.half() if half else raw
    expected = [
        (image, anchor, cell, raw[image, anchor, :, cell].float().tolist())
        for image in range(images)
        for anchor in range(anchors)
        for cell in range(cells)
        if raw[image, anchor, 4, cell].item() > least
    ]
    output = raw.reshape(images, anchors * values, 1, cells)
    for *places, logits in (
        DeviceTensor(output).cells_above(anchors, 4, least),
        cells_above(output.numpy(), anchors, 4, least),
    ):
        assert logits.dtype == np.float32 and logits.shape == (len(expected), values)
        found = zip(*(values.tolist() for values in places), logits.tolist(), strict=True)
        np.testing.assert_equal(list(found), expected)
