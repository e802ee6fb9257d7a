"""sheet.jpg: many pictures in one, with their boxes, for terminals and chats."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from entrypoint.results.palettes import colour
from entrypoint.results.report.thumbnails import SIDE
from entrypoint.values import Detection

_COLUMNS, _GAP = 8, 4
_GROUND = 24
_QUALITY = 80


@dataclass(frozen=True, slots=True)
class Tile:
    """One of the pictures: `image` HWC uint8 BGR, at most SIDE wide and high, and the size its boxes refer to."""

    image: NDArray[np.uint8]
    width: int
    height: int
    detections: tuple[Detection, ...]


def contact_sheet(tiles: Sequence[Tile]) -> bytes | None:
    """The tiles in rows, as the bytes of a JPEG; None without any."""
    if not tiles:
        return None
    columns = min(_COLUMNS, len(tiles))
    rows = -(-len(tiles) // columns)
    step = SIDE + _GAP
    sheet = np.full((rows * step + _GAP, columns * step + _GAP, 3), _GROUND, np.uint8)
    for number, tile in enumerate(tiles):
        picture = _with_boxes(tile)
        height, width = picture.shape[:2]
        top = _GAP + number // columns * step + (SIDE - height) // 2
        left = _GAP + number % columns * step + (SIDE - width) // 2
        sheet[top : top + height, left : left + width] = picture
    return cv2.imencode(".jpg", sheet, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()


def _with_boxes(tile: Tile) -> NDArray[np.uint8]:
    picture = np.ascontiguousarray(tile.image[:SIDE, :SIDE])
    across, down = tile.image.shape[1] / tile.width, tile.image.shape[0] / tile.height
    for found in reversed(tile.detections):
        x1, y1, x2, y2 = found.box
        corners = (round(x1 * across), round(y1 * down)), (round(x2 * across), round(y2 * down))
        cv2.rectangle(picture, *corners, colour(found.class_id), 1)
    return picture
