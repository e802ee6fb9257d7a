"""Letterboxed images in, detections out."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from entrypoint.device import Device, is_out_of_memory
from entrypoint.letterbox import Letterbox
from entrypoint.model.network import Network
from entrypoint.model.nms import NmsOptions, select
from entrypoint.records import OUT_OF_MEMORY, Detections, Failure


@dataclass(frozen=True, slots=True)
class DetectorOptions:
    """detect.py's options; `imgsz` is (height, width) and gets rounded up to the network's stride."""

    imgsz: tuple[int, int] = (640, 640)
    augment: bool = False
    nms: NmsOptions = field(default_factory=NmsOptions)


class Detector:
    """A network on its device, with detect.py's pre- and post-processing around it."""

    def __init__(self, network: Network, device: Device, options: DetectorOptions) -> None:
        self._network, self._device, self._options = network, device, options
        stride = network.stride
        self.imgsz = tuple(max(1, -(-side // stride)) * stride for side in options.imgsz)
        device.place(network)

    def letterbox(self, width: int, height: int) -> Letterbox:
        """The geometry for an image of that size."""
        return Letterbox.fit(width, height, (self.imgsz[0], self.imgsz[1]), self._network.stride)

    def try_one(self) -> None:
        """One blank image of the largest shape through the network. Raises what says that memory is out."""
        height, width = self.imgsz
        blank = np.full((height, width, 3), 114, np.uint8)
        self._detect([blank], [self.letterbox(width, height)])

    def detect(
        self, images: Sequence[NDArray[np.uint8]], letterboxes: Sequence[Letterbox]
    ) -> list[Detections | Failure]:
        """Detections of each letterboxed image (HWC uint8 BGR, all of one shape), in pixels of its original.

        When memory runs out the batch is halved, down to single images; one that still does not fit is a Failure.
        """
        try:
            return self._detect(images, letterboxes)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        # Outside the handler, so that the traceback no longer holds the failed batch's tensors.
        if self._device.on_gpu:
            torch.cuda.empty_cache()
        if len(images) == 1:
            return [Failure(OUT_OF_MEMORY, f"does not fit into the memory of {self._device.torch_device} even alone")]
        middle = len(images) // 2
        first = self.detect(images[:middle], letterboxes[:middle])
        return first + self.detect(images[middle:], letterboxes[middle:])

    @torch.inference_mode()
    def _detect(
        self, images: Sequence[NDArray[np.uint8]], letterboxes: Sequence[Letterbox]
    ) -> list[Detections | Failure]:
        pixels = self._device.upload(images)
        predictions = self._network.augmented(pixels) if self._options.augment else self._network(pixels)
        found: list[Detections | Failure] = []
        for prediction, letterbox in zip(predictions, letterboxes, strict=True):
            rows = select(prediction, self._options.nms).cpu().numpy()
            found.append(Detections.from_rows(rows, letterbox.undo(rows[:, :4])))
        return found
