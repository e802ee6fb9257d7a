"""Letterboxed images in, detections out."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from entrypoint.detect.letterbox import Letterbox
from entrypoint.detect.nms import NmsOptions, select
from entrypoint.detect.views import View
from entrypoint.engines.base import Engine, planes
from entrypoint.host.device import Device
from entrypoint.host.memory import is_out_of_memory
from entrypoint.log import LOG
from entrypoint.models.network import Candidates, Network, Output
from entrypoint.values import OUT_OF_MEMORY, Detections, Failure


@dataclass(frozen=True, slots=True)
class DetectorOptions:
    """detect.py's options; `imgsz` is (height, width) and gets rounded up to the network's stride.

    `multi_label` is val.py's: a box may be reported once for each of several classes.
    """

    imgsz: tuple[int, int] = (640, 640)
    augment: bool = False
    multi_label: bool = False
    nms: NmsOptions = field(default_factory=NmsOptions)


class Detector:
    """An engine with detect.py's pre- and post-processing around it. Several threads may use it at once."""

    def __init__(self, engine: Engine, network: Network, options: DetectorOptions) -> None:
        """`network` is what the engine computes. One that takes a single size of images gets that."""
        self.engine, self._network, self._options = engine, network, options
        stride = network.stride
        rounded = tuple(max(1, -(-side // stride)) * stride for side in options.imgsz)
        self.imgsz = network.size or (rounded[0], rounded[1])
        self.fitting: dict[tuple[int, ...], int] = {}
        """How many images fit into memory together, by shape, where more have been tried."""

    @property
    def device(self) -> Device:
        return self.engine.device

    @property
    def takes_any_size(self) -> bool:
        """Whether the network takes images of other sizes than the one that `imgsz` tells."""
        return self._network.size is None

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
        network = self._network
        return Letterbox.fit(
            width,
            height,
            self.imgsz,
            network.stride,
            exact=network.square or network.size is not None,
            whole_padding=network.family.whole_padding,
        )

    def try_one(self) -> None:
        """Run the network on one blank image of the largest shape. Raise what says that memory is out."""
        self._look([self._blank()])

    def warm_up(self, count: int) -> None:
        """Run the network on so many blank images of the largest shape: what is done once is done then."""
        self.look([self._blank()] * count)

    def look(self, images: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.float32] | Failure]:
        """The candidates in each letterboxed image (HWC uint8 BGR, all of one shape) to `select` from, (n, 6).

        x1, y1, x2, y2 in its pixels, confidence, class.

        When memory runs out the batch is halved, down to single images, and so are all later ones of its shape; an
        image that does not fit alone is a Failure.
        """
        found: list[NDArray[np.float32] | Failure] = []
        shape = images[0].shape
        while len(found) < len(images):
            part = images[len(found) : len(found) + self.fitting.get(shape, len(images))]
            try:
                found += self._look(part)
                continue
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
            # Outside the handler, so that the traceback no longer holds the failed batch's arrays.
            self.engine.free_cache()
            if len(part) == 1:
                found.append(Failure(OUT_OF_MEMORY, f"does not fit into {self._memory()} even alone"))
            else:
                self._halve(shape, len(part))
        return found

    def _halve(self, shape: tuple[int, ...], size: int) -> None:
        self.fitting[shape] = min(size // 2, self.fitting.get(shape, size))
        height, width, _ = shape
        LOG.warning(
            "%d images of %d × %d do not fit into %s together: going on with %d",
            *(size, height, width, self._memory(), size // 2),
        )

    def _memory(self) -> str:
        """Name the memory that images are to fit into."""
        others = self.engine.held_by_others()
        return f"the memory of {self.device}{others and f' ({others})'}"

    def _look(self, images: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.float32] | Failure]:
        batch = self._filled(images)
        self._network.require((len(batch), 3, *batch[0].shape[:2]))
        with self.engine.queue():
            if self._options.augment:
                wanted = self.conf_thres, self._options.multi_label
                image, rows = self._network.augmented(planes(images), self.engine.run, *wanted)
            else:
                image, rows = self.candidates(self.engine.run(self.engine.upload(batch)))
        return [rows[image == number] for number in range(len(images))]

    def _blank(self) -> NDArray[np.uint8]:
        return np.full((*self.imgsz, 3), 114, np.uint8)

    def _filled(self, images: Sequence[NDArray[np.uint8]]) -> Sequence[NDArray[np.uint8]]:
        """As many images as the network takes, the last one again and again, where it takes just so many."""
        missing = (self._network.batch or 0) - len(images)
        return [*images, *[images[-1]] * missing] if missing > 0 else images

    def candidates(self, outputs: Sequence[Output]) -> Candidates:
        """What the network's outputs show with more confidence than is asked for."""
        return self._network.candidates(outputs, self.conf_thres, self._options.multi_label)

    def look_closely(self, image: NDArray[np.uint8]) -> Detections | None:
        """The detections in an image (HWC uint8 BGR); None when a value of the network's is infinite, or none at all.

        Raises what says that memory is out.
        """
        letterbox = self.letterbox(image.shape[1], image.shape[0])
        with self.engine.queue():
            outputs = self.engine.run(self.engine.upload(self._filled([letterbox.apply(image)])))
            if not all(np.isfinite(np.asarray(output)).all() for output in outputs):
                return None
            number, rows = self.candidates(outputs)
        rows = rows[number == 0]
        return self.select([letterbox], [rows])

    def select(self, letterboxes: Sequence[Letterbox], candidates: Sequence[NDArray[np.float32]]) -> Detections:
        """Detections among the candidates in all views of a frame, in pixels of that frame.

        Those of further views are moved to where the first one shows them, and there NMS sees all of them: so the boxes
        of a frame that is looked at as a whole keep their last bit.
        """
        first, *others = letterboxes
        rows = [candidates[0]]
        for letterbox, found in zip(others, candidates[1:], strict=True):
            rows.append(np.concatenate((letterbox.seen_in(first, found[:, :4]), found[:, 4:]), 1))
        kept = select(np.concatenate(rows), self._options.nms)
        return Detections.from_rows(kept, first.undo(kept[:, :4]))
