"""The small pictures: of stills, of videos as strips, and the contact sheet."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from entrypoint.results.report.sheet import Tile, contact_sheet
from entrypoint.results.report.thumbnails import EMBEDDED, SHEET, SIDE, STRIP, Strip, encoded, is_pictured, shrunk
from entrypoint.values import Detection


def plain(height: int, width: int, value: int) -> NDArray[np.uint8]:
    """An image of one grey."""
    return np.full((height, width, 3), value, np.uint8)


@pytest.mark.parametrize(
    ("size", "expected"),
    [((480, 640), (120, 160)), ((640, 480), (160, 120)), ((100, 90), (100, 90)), ((1, 5000), (1, 160))],
)
def test_a_picture_is_small_and_keeps_its_shape(size: tuple[int, int], expected: tuple[int, int]) -> None:
    picture = shrunk(plain(*size, 100))
    assert picture.shape[:2] == expected
    back = cv2.imdecode(np.frombuffer(encoded(picture), np.uint8), cv2.IMREAD_COLOR)
    assert back is not None and back.shape == picture.shape


@pytest.mark.parametrize("frames", [1, 3, STRIP, 2 * STRIP - 1, 100, 1000])
def test_the_frames_of_a_strip_are_spread_over_the_whole_video(frames: int) -> None:
    strip = Strip()
    for number in range(frames):
        strip.add(plain(90, 160, number * 255 // frames))
    picture = strip.picture()
    assert picture is not None
    assert picture.shape == (90, 160 * min(frames, STRIP), 3)
    greys = picture[0, ::160, 0].tolist()
    assert greys == sorted(greys) and greys[0] == 0
    assert frames < 3 or greys[-1] > 120


def test_a_strip_without_frames_is_none_and_one_whose_size_changes_is_whole() -> None:
    strip = Strip()
    assert strip.picture() is None
    strip.add(plain(90, 160, 1))
    strip.add(plain(160, 90, 2))
    picture = strip.picture()
    assert picture is not None and picture.shape == (90, 320, 3)


def test_of_a_large_run_the_contact_sheets_inputs_alone_have_pictures() -> None:
    assert all(is_pictured(index, EMBEDDED) for index in range(EMBEDDED))
    pictured = [index for index in range(100_001) if is_pictured(index, 100_001)]
    assert len(pictured) <= SHEET and pictured[0] == 0 and pictured[-1] > 97_000


@pytest.mark.parametrize(("count", "rows"), [(1, 1), (8, 1), (9, 2), (48, 6)])
def test_the_contact_sheet_holds_every_tile_with_its_boxes(count: int, rows: int) -> None:
    box = Detection("x", 0, 0.9, (0.0, 0.0, 500.0, 400.0))
    tiles = [Tile(plain(128, SIDE, 200), 1000, 800, (box,)) for _ in range(count)]
    sheet = cv2.imdecode(np.frombuffer(contact_sheet(tiles) or b"", np.uint8), cv2.IMREAD_COLOR)
    assert sheet is not None
    assert sheet.shape[0] == rows * 164 + 4
    assert abs(int(sheet[4 + 16 + 100, 4 + 120].mean()) - 200) < 3  # inside the tile, outside its box
    assert contact_sheet([]) is None
