"""Letterboxed images in, detections out."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from entrypoint.detect.letterbox import Letterbox
from entrypoint.detect.nms import NmsOptions, select
from entrypoint.detect.views import View
from entrypoint.engines.base import Engine
from entrypoint.host.device import Device, is_out_of_memory
from entrypoint.models.yolov5.augment import augmented
from entrypoint.models.yolov5.network import Network
from entrypoint.values import OUT_OF_MEMORY, Detections, Failure


@dataclass(frozen=True, slots=True)
class DetectorOptions:
    """detect.py's options; `imgsz` is (height, width) and gets rounded up to the network's stride."""

    imgsz: tuple[int, int] = (640, 640)
    augment: bool = False
    nms: NmsOptions = field(default_factory=NmsOptions)


class Detector:
    """An engine with detect.py's pre- and post-processing around it. Several threads may use it at once."""

    def __init__(self, engine: Engine, network: Network, options: DetectorOptions) -> None:
        """`network` is what the engine computes; of it only the head and the stride are kept."""
        self.engine, self._head, self._stride, self._options = engine, network.head, network.stride, options
        self.imgsz = tuple(max(1, -(-side // self._stride)) * self._stride for side in options.imgsz)

    @property
    def device(self) -> Device:
        return self.engine.device

    @property
    def conf_thres(self) -> float:
        return self._options.nms.conf_thres

    def views(self, image: NDArray[np.uint8]) -> tuple[View, ...]:
        """What is to be looked at of a frame (HWC uint8 BGR upright)."""
        height, width, _ = image.shape
        letterbox = self.letterbox(width, height)
        return (View(letterbox, letterbox.apply(image)),)

    def letterbox(self, width: int, height: int) -> Letterbox:
        """The geometry for an image of that size."""
        return Letterbox.fit(width, height, (self.imgsz[0], self.imgsz[1]), self._stride)

    def try_one(self) -> None:
        """One blank image of the largest shape through the network. Raises what says that memory is out."""
        self._look([np.full((*self.imgsz, 3), 114, np.uint8)])

    def look(self, images: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.float32] | Failure]:
        """The predictions for each letterboxed image (HWC uint8 BGR, all of one shape) to `select` from.

        When memory runs out the batch is halved, down to single images; one that still does not fit is a Failure.
        """
        try:
            return self._look(images)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        # Outside the handler, so that the traceback no longer holds the failed batch's tensors.
        device = self.device
        if device.on_gpu:
            torch.cuda.empty_cache()
        if len(images) == 1:
            return [Failure(OUT_OF_MEMORY, f"does not fit into the memory of {device.torch_device} even alone")]
        middle = len(images) // 2
        return self.look(images[:middle]) + self.look(images[middle:])

    @torch.inference_mode()
    def _look(self, images: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.float32] | Failure]:
        with self.device.queue():
            pixels = self.engine.upload(images)
            if self._options.augment:
                found = augmented(pixels, self._stride, self.engine.maps, self.decode)
            else:
                found = self.decode(self.engine.maps(pixels))
        image, rows = found
        return [rows[image == number] for number in range(len(images))]

    def decode(self, maps: Sequence[Tensor | None]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """`model.head.Detect.decode` with the least confidence that is wanted."""
        return self._head.decode(maps, self.conf_thres)

    @torch.inference_mode()
    def look_closely(self, image: NDArray[np.uint8]) -> Detections | None:
        """The detections in an image (HWC uint8 BGR); None when a value of the network's is infinite, or none at all.

        Raises what says that memory is out.
        """
        letterbox = self.letterbox(image.shape[1], image.shape[0])
        with self.device.queue():
            maps = self.engine.maps(self.engine.upload([letterbox.apply(image)]))
            if not all(bool(level.isfinite().all()) for level in maps):
                return None
            _, rows = self.decode(maps)
        return self.select([letterbox], [rows])

    def select(self, letterboxes: Sequence[Letterbox], predictions: Sequence[NDArray[np.float32]]) -> Detections:
        """Detections among the predictions for all views of a frame, in pixels of that frame."""
        (letterbox,), (rows,) = letterboxes, predictions
        found = select(rows, self._options.nms)
        return Detections.from_rows(found, letterbox.undo(found[:, :4]))
