"""Detection from Python, for programs that bring their own images and their own engine (Ray, Beam, a notebook).

    from entrypoint import Detector

Nothing of a job is here: no source, no files, no exit codes. docs/python.md has an example.
"""

import os
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from entrypoint.detect import loading
from entrypoint.detect.devices import devices_for
from entrypoint.detect.views import View
from entrypoint.detectionsettings import Engine
from entrypoint.errors import ResourceError
from entrypoint.option import declared
from entrypoint.settings import BAKED_WEIGHTS, INPUTS, Settings
from entrypoint.values import Detections, Failure
from entrypoint.weights.find import find_weights

_EXPECTED = "expected an array of (height, width, 3) in uint8, BGR, in a list"
_Seen = NDArray[np.float32] | Failure


class Options(TypedDict, total=False):
    """The options of `yolo-bac` that concern detection, with the same names, defaults and meaning (docs/options.md)."""

    imgsz: int | tuple[int, int]
    conf_thres: float
    iou_thres: float
    max_det: int
    device: str
    half: bool
    engine: Engine
    batch_size: int | None
    classes: Sequence[str | int] | None
    agnostic_nms: bool
    augment: bool


class Detector:
    """A checkpoint, ready to look at images. It may be kept for as long as the program runs, and needs no closing.

    `names` are the class names by id. One thread at a time should call `detect`.
    """

    names: tuple[str, ...]

    def __init__(self, weights: str | os.PathLike[str], **options: Unpack[Options]) -> None:
        """Load `weights`: a checkpoint, or a folder that holds one; nothing that is in the file is run.

        `imgsz` is one side or (height, width); `classes` are ids or names. Raises TypeError for an option that does not
        exist, UsageError for a value that is not possible, WeightsError when the file is no detector or is refused,
        ResourceError when it does not fit into memory or the device is not there; all but the first are in
        `entrypoint.errors`.
        """
        settings = _settings(weights, options)
        found = find_weights(settings.weights, (INPUTS, BAKED_WEIGHTS))
        loaded = loading.load(found, devices_for(settings), settings, ())
        self.names = loaded.names
        self._detector, self._batch_size = loaded.lanes[0], loaded.batch_size

    def detect(self, images: Iterable[NDArray[np.uint8]]) -> list[Detections]:
        """What is in each image, in the order of the images.

        An image is an array of (height, width, 3), uint8, in BGR as OpenCV reads it. Boxes are pixels of that image;
        `Detections.named(detector.names)` gives one value for each detection, rounded as the results of a job show it.
        Raises ValueError for what is no such array, ResourceError when one image alone does not fit into
        memory.
        """
        images = list(images)  # what gives each image once alone is gone through here
        for number, image in enumerate(images):
            _require_image(image, number)
        frames = [self._detector.views(image) for image in images]
        views = [view for frame in frames for view in frame]
        seen = iter(self._looked_at(views))
        return [
            self._detector.select([view.letterbox for view in frame], [_candidates(next(seen)) for _ in frame])
            for frame in frames
        ]

    def _looked_at(self, views: Sequence[View]) -> list[_Seen]:
        """What the network gives for each view: those of one shape go through it together, in batches."""
        order = sorted(range(len(views)), key=lambda number: views[number].pixels.shape)
        seen: dict[int, _Seen] = {}
        for _, alike in groupby(order, key=lambda number: views[number].pixels.shape):
            numbers = list(alike)
            for start in range(0, len(numbers), self._batch_size):
                batch = numbers[start : start + self._batch_size]
                found = self._detector.look([views[number].pixels for number in batch])
                seen.update(zip(batch, found, strict=True))
        return [seen[number] for number in range(len(views))]


def _settings(weights: str | os.PathLike[str], options: Options) -> Settings:
    unknown = sorted(options.keys() - Options.__annotations__.keys())
    if unknown:
        raise TypeError(f"Detector has no option {', '.join(unknown)}; it has {', '.join(Options.__annotations__)}")
    known = {option.name: option for option in declared(Settings)}
    checked = {name: known[name].checked(value) for name, value in options.items()}
    return Settings(weights=known["weights"].checked(os.fspath(weights)), **checked)


def _candidates(seen: _Seen) -> NDArray[np.float32]:
    if isinstance(seen, Failure):
        raise ResourceError(f"an image {seen.detail}")
    return seen


def _require_image(image: object, number: int) -> None:
    if not isinstance(image, np.ndarray):
        why = ", which cv2.imread gives for a file that it cannot read" if image is None else ""
        raise ValueError(f"image {number} is of type {type(image).__name__}{why}; {_EXPECTED}")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ValueError(f"image {number} is an array of shape {image.shape} and type {image.dtype}; {_EXPECTED}")
