"""Run YOLOv5's own val.py and print its mAP as JSON: `python valpy.py WEIGHTS DATA.YAML`, where that is installed.

It looks at each image in a batch of its own, and without the half a stride of padding that it adds to batches, for so
detect.py looks at images; all else is val.py's.
"""

import json
import sys
import tempfile
from typing import Any


def val_py() -> Any:
    """The module, ready to run with newer libraries, and without a network."""
    import numpy
    import torch

    older: Any = numpy
    older.trapz = numpy.trapezoid  # the name that it had in NumPy 1
    load: Any = torch.load
    torch.load = lambda *arguments, **options: load(*arguments, **(options | {"weights_only": False}))

    from yolov5.models import common  # type: ignore[import-not-found]
    from yolov5.utils import downloads, general  # type: ignore[import-not-found]

    for module in (common, downloads):
        module.attempt_download_from_hub = lambda *_, **__: None  # the weights are a file
    general.check_font = lambda *_, **__: None  # it is for plots alone, and would be fetched
    general.check_requirements = lambda *_, **__: None

    from yolov5 import val  # type: ignore[import-not-found]

    create = val.create_dataloader
    val.create_dataloader = lambda *arguments, **options: create(*arguments, **(options | {"pad": 0.0}))
    return val


def main(weights: str, data: str) -> None:
    """Measure weights on the images of `data`."""
    with tempfile.TemporaryDirectory() as folder:
        (_, _, map50, mean, *_), *_ = val_py().run(
            data, weights=weights, batch_size=1, imgsz=640, device="cpu", workers=0, plots=False, project=folder
        )
    print(json.dumps({"mAP50": float(map50), "mAP50-95": float(mean)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
