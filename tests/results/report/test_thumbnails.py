"""The small pictures: of stills, of videos as strips, and the contact sheet."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from entrypoint.results.palettes import Colour, colour
from entrypoint.results.report.collect import Collected
from entrypoint.results.report.sheet import contact_sheet, tiles_of
from entrypoint.results.report.thumbnails import SHEET, SIDE, STRIP, encoded, sheet_places, shrunk
from entrypoint.results.report.tiles import Tiles, strip
from entrypoint.resultsettings import Palette
from entrypoint.values import Detection, Record
from entrypoint.videofacts import VideoFacts


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


@pytest.mark.parametrize("frames", [1, 9, 70, 512, 1300])
def test_the_frames_of_a_strip_are_spread_over_the_whole_video(frames: int) -> None:
    counts = [min(512, frames - start) for start in range(0, frames, 512)]
    pictures, number = [], 0
    for count in counts:
        tiles = Tiles()
        for _ in range(count):
            tiles.add(plain(180, 320, number * 255 // frames))
            number += 1
        pictures.append(tiles.picture())
    picture = decoded(strip(counts, pictures.__getitem__, 320, 180))
    shown = min(-(-frames // 8), STRIP)
    assert picture.shape == (90, 160 * shown, 3)
    greys = picture[45, 80::160, 0].astype(int).tolist()
    assert greys == sorted(greys) and greys[0] < 3
    assert frames < 9 or greys[-1] > 120


@pytest.mark.parametrize("count", [1, 47, 48, 49, 2_000, 100_001, 10**6])
def test_the_contact_sheets_inputs_are_evenly_spread_and_in_the_gallery(count: int) -> None:
    places = sheet_places(count)
    assert min(count, SHEET // 2) <= len(places) <= SHEET
    gathered = Collected()
    if count == 100_001:
        for number in range(count):
            gathered.add(Record(str(number), 9, 9, ()))
        assert set(map(str, places)) <= {shown.file for shown in gathered.looked_at}


@pytest.mark.parametrize(("count", "rows"), [(1, 1), (8, 1), (9, 2), (48, 6), (50, 4)])
def test_the_contact_sheet_holds_every_tile_with_its_boxes(count: int, rows: int) -> None:
    box = Detection("x", 0, 0.9, (0.0, 0.0, 500.0, 400.0))
    gathered = Collected()
    for number in range(count):
        gathered.add(Record(f"{number:03}", 1000, 800, (box,)))
    picture = encoded(plain(128, SIDE, 200))
    sheet = decoded(contact_sheet(tiles_of(gathered.looked_at, lambda _: picture)))
    assert sheet.shape[0] == rows * 164 + 4
    assert abs(int(sheet[4 + 16 + 100, 4 + 120].mean()) - 200) < 3  # inside the tile, outside its box


def test_a_video_in_the_contact_sheet_is_not_covered_by_the_boxes_of_all_its_frames() -> None:
    box = Detection("x", 0, 0.9, (0.0, 0.0, 500.0, 400.0), 3, 0.1)
    gathered = Collected()
    gathered.add(Record("a.mp4", 1000, 800, (box,), video=VideoFacts(30.0, 9, 9, 0.3)))
    picture = encoded(plain(128, SIDE, 200))
    sheet = decoded(contact_sheet(tiles_of(gathered.looked_at, lambda _: picture)))
    assert abs(sheet[24:140, 8:160].astype(int) - 200).max() < 3


@pytest.mark.parametrize(("palette", "expected"), [("bright", colour(4)), ("safe", colour(4, "safe"))])
def test_the_contact_sheet_has_the_colours_of_the_images(palette: Palette, expected: Colour) -> None:
    gathered = Collected()
    gathered.add(Record("a", SIDE, SIDE, (Detection("x", 4, 0.9, (40.0, 40.0, 120.0, 120.0)),)))
    picture = encoded(plain(SIDE, SIDE, 0))
    sheet = decoded(contact_sheet(tiles_of(gathered.looked_at, lambda _: picture), palette)).astype(int)
    edge = sheet[4 + 60, 4 + 38 : 4 + 43].max(0)  # what JPEG has left of a line of one pixel
    assert np.argmax(edge) == np.argmax(expected) and edge.max() > 60


def test_a_sheet_of_nothing_and_one_of_a_damaged_picture_are_images_all_the_same() -> None:
    gathered = Collected()
    gathered.add(Record("a", 10, 10, ()))
    assert decoded(contact_sheet(tiles_of(gathered.looked_at, lambda _: None))).size
    assert decoded(contact_sheet(tiles_of(gathered.looked_at, lambda _: b"no picture"))).size


def decoded(data: bytes) -> NDArray[np.uint8]:
    """The pixels of an image file."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return np.asarray(image, np.uint8)
