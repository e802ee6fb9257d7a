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
    `right`, `bottom`: padding around that, in pixels.
    """

    width: int
    height: int
    inner: tuple[int, int]
    left: int
    top: int
    right: int
    bottom: int

    @classmethod
    def fit(cls, width: int, height: int, imgsz: tuple[int, int], stride: int) -> Self:
        """The smallest rectangle of multiples of `stride` within `imgsz` (height, width) that holds the image."""
        ratio = min(imgsz[0] / height, imgsz[1] / width)
        inner = max(1, round(width * ratio)), max(1, round(height * ratio))
        pad_x, pad_y = ((imgsz[1] - inner[0]) % stride) / 2, ((imgsz[0] - inner[1]) % stride) / 2
        # An odd pixel goes to the right and to the bottom.
        return cls(width, height, inner, math.floor(pad_x), math.floor(pad_y), math.ceil(pad_x), math.ceil(pad_y))

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
        """(n, 4) boxes in pixels of the letterboxed image to pixels of the upright image, clipped to it.

        The scale and padding are those detect.py derives from the two shapes: half of an odd padding, although a
        whole number of pixels was added, so that boxes agree with it to the last bit.
        """
        height, width = self.shape
        gain = min(height / self.height, width / self.width)
        pad = np.array([(width - self.width * gain) / 2, (height - self.height * gain) / 2] * 2, np.float32)
        boxes = (xyxy - pad) / np.float32(gain)
        return boxes.clip(0, np.array([self.width, self.height] * 2, np.float32)).astype(np.float32)
