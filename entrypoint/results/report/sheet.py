"""sheet.jpg: many pictures in one, with their boxes, for terminals and chats."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from entrypoint.results.palettes import colour
from entrypoint.results.report.collect import Shown
from entrypoint.results.report.thumbnails import SHEET, SIDE
from entrypoint.resultsettings import Palette

_COLUMNS, _GAP = 8, 4
_GROUND = 24
_QUALITY = 80


@dataclass(frozen=True, slots=True)
class Tile:
    """One of the pictures: `image` HWC uint8 BGR, at most SIDE wide and high, and the input it is of."""

    image: NDArray[np.uint8]
    shown: Shown


def tiles_of(inputs: Sequence[Shown], picture: Callable[[str], bytes | None]) -> list[Tile]:
    """Up to SHEET of the inputs that have a picture, a JPEG, evenly spread."""
    pictured = [(shown, data) for shown in inputs if (data := picture(shown.file))]
    tiles = []
    for shown, data in pictured[:: -(-len(pictured) // SHEET) or 1]:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        if image is not None:
            tiles.append(Tile(np.asarray(image, np.uint8), shown))
    return tiles


def contact_sheet(tiles: Sequence[Tile], palette: Palette = "bright") -> bytes:
    """The tiles in rows, as the bytes of a JPEG; an empty one without any. Classes have the colours of `palette`."""
    columns = min(_COLUMNS, len(tiles)) or 1
    rows = -(-len(tiles) // columns)
    step = SIDE + _GAP
    sheet = np.full((rows * step + _GAP, columns * step + _GAP, 3), _GROUND, np.uint8)
    for number, tile in enumerate(tiles):
        picture = _with_boxes(tile, palette)
        height, width = picture.shape[:2]
        top = _GAP + number // columns * step + (SIDE - height) // 2
        left = _GAP + number % columns * step + (SIDE - width) // 2
        sheet[top : top + height, left : left + width] = picture
    return cv2.imencode(".jpg", sheet, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()


def _with_boxes(tile: Tile, palette: Palette) -> NDArray[np.uint8]:
    """A video's picture stays without: what was found in all of its frames would cover it."""
    picture = np.ascontiguousarray(tile.image[:SIDE, :SIDE])
    if tile.shown.times is not None:
        return picture
    across, down = picture.shape[1] / tile.shown.width, picture.shape[0] / tile.shown.height
    for class_id, x1, y1, x2, y2 in reversed(list(tile.shown.corners())):
        corners = (round(x1 * across), round(y1 * down)), (round(x2 * across), round(y2 * down))
        cv2.rectangle(picture, *corners, colour(class_id, palette), 1)
    return picture
