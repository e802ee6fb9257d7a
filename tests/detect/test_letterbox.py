"""The geometry: detect.py's shapes, and boxes that come back to where they were."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoint.detect.letterbox import PAD_COLOUR, Letterbox

sides = st.integers(1, 5000)
ordinary = st.integers(40, 4000)
sizes = st.sampled_from([(640, 640), (320, 320), (1280, 1280), (448, 640), (64, 640)])  # multiples of both strides
strides = st.sampled_from([32, 64])


@pytest.mark.parametrize(
    ("width", "height", "imgsz", "stride", "shape"),
    [
        (810, 1080, (640, 640), 32, (640, 480)),  # bus.jpg
        (1280, 720, (640, 640), 32, (384, 640)),  # zidane.jpg
        (640, 480, (640, 640), 32, (480, 640)),  # fits as it is
        (640, 427, (640, 640), 32, (448, 640)),  # an odd padding
        (640, 640, (640, 640), 32, (640, 640)),
        (100, 50, (640, 640), 32, (320, 640)),  # small images grow
        (810, 1080, (640, 640), 64, (640, 512)),  # P6
        (810, 1080, (480, 640), 32, (480, 384)),  # height and width
        (10_000, 1, (640, 640), 32, (32, 640)),  # a line
    ],
)
def test_shapes(width: int, height: int, imgsz: tuple[int, int], stride: int, shape: tuple[int, int]) -> None:
    assert Letterbox.fit(width, height, imgsz, stride).shape == shape


@given(sides, sides, sizes, strides)
def test_the_shape_is_the_smallest_stride_rectangle_within_imgsz(
    width: int, height: int, imgsz: tuple[int, int], stride: int
) -> None:
    box = Letterbox.fit(width, height, imgsz, stride)
    for side, inner, most in zip(box.shape, reversed(box.inner), imgsz, strict=True):
        assert side % stride == 0
        assert inner <= side < inner + stride
        assert side <= most
    assert box.inner[0] == imgsz[1] or box.inner[1] == imgsz[0]


@given(ordinary, ordinary, sizes, strides, st.data())
def test_undo_brings_boxes_back(
    width: int, height: int, imgsz: tuple[int, int], stride: int, data: st.DataObject
) -> None:
    box = Letterbox.fit(width, height, imgsz, stride)
    fractions = data.draw(st.lists(st.floats(0, 1), min_size=4, max_size=4))
    x1, x2 = sorted(fraction * width for fraction in fractions[:2])
    y1, y2 = sorted(fraction * height for fraction in fractions[2:])
    gain_x, gain_y = box.inner[0] / width, box.inner[1] / height
    inside = [x1 * gain_x + box.left, y1 * gain_y + box.top, x2 * gain_x + box.left, y2 * gain_y + box.top]
    back = box.undo(np.array([inside], np.float32))[0]
    # What detect.py loses too, in pixels of the network: half a pixel of odd padding, half a pixel of rounding; and it
    # takes the scale from the side that was rounded most, which the other one feels in proportion.
    lost = 1.01 + 0.25 * max(box.inner) / min(box.inner)
    slack = lost / min(imgsz[0] / height, imgsz[1] / width) + 0.01
    np.testing.assert_allclose(back, [x1, y1, x2, y2], atol=slack)


@given(sides, sides, sizes, strides, st.lists(st.floats(-1e4, 1e4, width=32), min_size=4, max_size=4))
def test_boxes_end_inside_the_image(
    width: int, height: int, imgsz: tuple[int, int], stride: int, box: list[float]
) -> None:
    x1, y1, x2, y2 = Letterbox.fit(width, height, imgsz, stride).undo(np.array([box], np.float32))[0]
    assert 0 <= x1 <= width and 0 <= x2 <= width
    assert 0 <= y1 <= height and 0 <= y2 <= height


@given(st.integers(1, 700), st.integers(1, 700), strides)
def test_apply_gives_the_shape_with_grey_around(width: int, height: int, stride: int) -> None:
    box = Letterbox.fit(width, height, (320, 320), stride)
    image = np.full((height, width, 3), 200, np.uint8)
    padded = box.apply(image)
    assert padded.shape == (*box.shape, 3)
    inner = padded[box.top : box.top + box.inner[1], box.left : box.left + box.inner[0]]
    assert (inner == 200).all()
    assert padded.sum() == inner.sum() + (padded.size - inner.size) * PAD_COLOUR[0]
