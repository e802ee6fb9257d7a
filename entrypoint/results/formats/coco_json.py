"""coco.json: the detections as a COCO dataset."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from entrypoint.jsontext import compact
from entrypoint.results.cocoimages import images_of
from entrypoint.results.formats.base import JsonArray, RunFormat
from entrypoint.values import Detection, Record


class CocoJson(RunFormat):
    """Images (also those without a box), annotations with `score`, categories by the network's class ids.

    `bbox` is x, y, width, height in pixels of the upright image. Each frame of a video that was looked at is an image,
    named as --save-frames names its picture. Inputs that failed have no size and are left out; predictions.json has
    them.
    """

    name = "coco"
    help = "coco.json: all detections as a COCO dataset."
    default = True
    file = "coco.json"

    @contextmanager
    def writing(self, file: IO[bytes], info: dict[str, Any], scratch: Path) -> Iterator[Callable[[Record], None]]:
        # Annotations stand behind all images in the file, so they wait on disk.
        with tempfile.TemporaryFile(dir=scratch) as aside:
            file.write(b'{"info": ' + compact(info) + b',\n"images": [')
            images, annotations = JsonArray(file), JsonArray(aside)

            def take(record: Record) -> None:
                size = {"width": record.width, "height": record.height}
                for image, detections in images_of(record):
                    number, first = images.count + 1, annotations.count + 1
                    images.add([{"id": number, **image, **size}])
                    annotations.add_texts([_annotation(n, number, found) for n, found in enumerate(detections, first)])

            yield take
            file.write(b'\n],\n"annotations": [')
            aside.seek(0)
            shutil.copyfileobj(aside, file)
            categories = [{"id": class_id, "name": name} for class_id, name in enumerate(self.names)]
            file.write(b'\n],\n"categories": ' + compact(categories) + b"}\n")


def _annotation(number: int, image: int, found: Detection) -> str:
    """As JSON: there are many of these, and they hold nothing but numbers, which have been checked."""
    x1, y1, x2, y2 = found.box
    width, height = round(x2 - x1, 4), round(y2 - y1, 4)
    return (
        f'{{"id": {number}, "image_id": {image}, "category_id": {found.class_id}, '
        f'"bbox": [{x1!r}, {y1!r}, {width!r}, {height!r}], "area": {round(width * height, 4)!r}, '
        f'"iscrowd": 0, "score": {found.confidence!r}}}'
    )
