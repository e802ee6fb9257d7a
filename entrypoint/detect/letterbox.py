"""How an image is fitted into the network's input, and how boxes come back."""

import math
from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

PAD_COLOUR = (114, 114, 114)


@dataclass(frozen=True, slots=True)
class Letterbox:
    """The geometry of one image shape, as YOLOv5's detect.py has it: scale to fit, pad to the stride rectangle.

    `width`, `height`: pixels of the upright image. `inner`: (width, height) it is resized to. `left`, `top`,
    `right`, `bottom`: padding around that, in pixels. `x`, `y`: where the image stands in the frame, if it is a part of
    one. `whole_padding`: the way back is the one of the ultralytics package.
    """

    width: int
    height: int
    inner: tuple[int, int]
    left: int
    top: int
    right: int
    bottom: int
    x: int = 0
    y: int = 0
    whole_padding: bool = False

    @classmethod
    def fit(
        cls,
        width: int,
        height: int,
        imgsz: tuple[int, int],
        stride: int,
        *,
        exact: bool = False,
        whole_padding: bool = False,
    ) -> Self:
        """The smallest rectangle of multiples of `stride` within `imgsz` (height, width) that holds the image.

        `exact`: all of `imgsz` instead, for a network that takes nothing else.
        """
        ratio = min(imgsz[0] / height, imgsz[1] / width)
        inner = max(1, round(width * ratio)), max(1, round(height * ratio))
        free_x, free_y = imgsz[1] - inner[0], imgsz[0] - inner[1]
        pad_x, pad_y = (free / 2 if exact else free % stride / 2 for free in (free_x, free_y))
        # An odd pixel goes to the right and to the bottom.
        before, behind = (math.floor(pad_x), math.floor(pad_y)), (math.ceil(pad_x), math.ceil(pad_y))
        return cls(width, height, inner, *before, *behind, whole_padding=whole_padding)

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) of the letterboxed image: what images must share to go into one batch."""
        return self.inner[1] + self.top + self.bottom, self.inner[0] + self.left + self.right

    def apply(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """HWC uint8 (upright) to HWC uint8 of `shape`, same colour order."""
        if (self.width, self.height) != self.inner:
            image = cv2.resize(image, self.inner, interpolation=cv2.INTER_LINEAR)  # type: ignore[assignment]
        if not (self.left or self.top or self.right or self.bottom):
            return image
        return cv2.copyMakeBorder(  # type: ignore[return-value]
            image, self.top, self.bottom, self.left, self.right, cv2.BORDER_CONSTANT, value=PAD_COLOUR
        )

    def undo(self, xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, 4) boxes in pixels of the letterboxed image to pixels of the upright frame, clipped to the image.

        The scale and padding are those detect.py derives from the two shapes: half of an odd padding, although a
        whole number of pixels was added, so that boxes agree with it to the last bit. With `whole_padding` they are
        those of the ultralytics package: whole pixels, and each side's own scale.
        """
        gain, pad, corner = self._geometry()
        boxes = ((xyxy - pad) / gain).clip(0, np.array([self.width, self.height] * 2, np.float32)) + corner
        return boxes.astype(np.float32)

    def seen_in(self, other: "Letterbox", xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, 4) boxes in pixels of this letterboxed image to those of another one of the same frame."""
        gain, pad, corner = self._geometry()
        its_gain, its_pad, its_corner = other._geometry()
        return (((xyxy - pad) / gain + corner - its_corner) * its_gain + its_pad).astype(np.float32)

    def _geometry(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Scale, padding and corner, each for x1, y1, x2, y2."""
        height, width = self.shape
        gain = min(height / self.height, width / self.width)
        corner = np.array([self.x, self.y] * 2, np.float32)
        if not self.whole_padding:
            pad = np.array([(width - self.width * gain) / 2, (height - self.height * gain) / 2] * 2, np.float32)
            return np.full(4, gain, np.float32), pad, corner
        inner = max(1, round(self.width * gain)), max(1, round(self.height * gain))
        pad = np.array([(width - inner[0]) // 2, (height - inner[1]) // 2] * 2, np.float32)
        return np.array([inner[0] / self.width, inner[1] / self.height] * 2, np.float32), pad, corner
